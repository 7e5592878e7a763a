// The GPU's side of hopper.h: sm_90a alone.
#pragma once
#include <cuda.h>

#include "kernels/cuda/device_mma.cuh"
#include "kernels/lab/hopper/hopper.h"

namespace lowland::hopper {

using cuda::shared_address;

// Threads of a block in groups of `Threads`; kSharing of them take part in products.
template <int Threads, int kSharing> class DeviceGroup : public cuda::DeviceBlock<Threads> {
 public:
  using Map = CUtensorMap;
  template <class F> __device__ void each(const F& f) { f(static_cast<int>(threadIdx.x % Threads)); }
  __device__ uint32_t address(const void* p) const { return shared_address(p); }

  __device__ void wait(Barrier* barrier, uint32_t parity) {
    const uint32_t at = shared_address(barrier);
    uint32_t complete = 0;
    while (complete == 0)
      asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                   : "=r"(complete)
                   : "r"(at), "r"(parity)
                   : "memory");
  }
  __device__ void arrive_each_warp(Barrier* barrier) {
    if (threadIdx.x % cuda::kWarp == 0)
      asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
  }
  __device__ void expect(Barrier* barrier, int bytes) {
    if (threadIdx.x % Threads == 0)
      asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
                   : "memory");
  }
  __device__ void copy(const CUtensorMap& map, Barrier* barrier, void* to, int column, int head, int row) {
    if (threadIdx.x % Threads == 0)
      asm volatile(
          "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], "
          "[%2];" ::"r"(shared_address(to)),
          "l"(&map), "r"(shared_address(barrier)), "r"(column), "r"(head), "r"(row)
          : "memory");
  }
  __device__ void fence_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
  __device__ void settle(Pairs& p) {
    asm volatile("" : "+r"(p.r[0]), "+r"(p.r[1]), "+r"(p.r[2]), "+r"(p.r[3])::"memory");
  }
  __device__ void sync_all() { asm volatile("bar.sync 1, %0;" ::"n"(kSharing * Threads) : "memory"); }
};

// By one thread, before all of the block meet.
__device__ inline void start_barrier(Barrier* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
__device__ inline void barriers_started() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// The register file is cut anew: a group that only asks for copies leaves its share to the others.
template <int kRegisters> __device__ void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters> __device__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// Keeps the compiler from moving what it does with a sum across this point.
template <int NT> __device__ void pin(Sums<1, NT>& sums) {
  LL_UNROLL for (int n = 0; n < NT; ++n)
      LL_UNROLL for (int i = 0; i < 4; ++i) asm volatile("" : "+f"(sums.c[0][n].v[i]) : : "memory");
}

#define LL_SUM(n) "+f"(s.c[0][n].v[0]), "+f"(s.c[0][n].v[1]), "+f"(s.c[0][n].v[2]), "+f"(s.c[0][n].v[3])
#define LL_SUMS_8 LL_SUM(0), LL_SUM(1), LL_SUM(2), LL_SUM(3), LL_SUM(4), LL_SUM(5), LL_SUM(6), LL_SUM(7)
#define LL_SUMS_16 \
  LL_SUMS_8, LL_SUM(8), LL_SUM(9), LL_SUM(10), LL_SUM(11), LL_SUM(12), LL_SUM(13), LL_SUM(14), LL_SUM(15)
#define LL_REGISTERS_32                                                                                             \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, " \
  "%24, %25, %26, %27, %28, %29, %30, %31}"
#define LL_REGISTERS_64                                                                                             \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, " \
  "%24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, "  \
  "%46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}"
#define LL_WGMMA(n) "wgmma.mma_async.sync.aligned.m64n" n "k16.f32.bf16.bf16 "

// Both operands in shared memory, the rows of y the columns of its part of the product.
__device__ inline void wgmma_rows(Sums<1, 8>& s, uint64_t x, uint64_t y, int adds) {
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n" LL_WGMMA("64") LL_REGISTERS_32
               ", %32, %33, p, 1, 1, 0, 0;\n}"
               : LL_SUMS_8
               : "l"(x), "l"(y), "r"(adds));
}
__device__ inline void wgmma_rows(Sums<1, 16>& s, uint64_t x, uint64_t y, int adds) {
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n" LL_WGMMA("128") LL_REGISTERS_64
               ", %64, %65, p, 1, 1, 0, 0;\n}"
               : LL_SUMS_16
               : "l"(x), "l"(y), "r"(adds));
}
// The left operand in registers; the columns of y, N-major, are those of the product.
__device__ inline void wgmma_pairs(Sums<1, 8>& s, const Pairs& p, uint64_t y) {
  asm volatile(LL_WGMMA("64") LL_REGISTERS_32 ", {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
               : LL_SUMS_8
               : "r"(p.r[0]), "r"(p.r[1]), "r"(p.r[2]), "r"(p.r[3]), "l"(y));
}
__device__ inline void wgmma_pairs(Sums<1, 16>& s, const Pairs& p, uint64_t y) {
  asm volatile(LL_WGMMA("128") LL_REGISTERS_64 ", {%64, %65, %66, %67}, %68, 1, 1, 1, 1;"
               : LL_SUMS_16
               : "r"(p.r[0]), "r"(p.r[1]), "r"(p.r[2]), "r"(p.r[3]), "l"(y));
}

template <int Threads, int kSharing> class Products<DeviceGroup<Threads, kSharing>> {
 public:
  using Group = DeviceGroup<Threads, kSharing>;
  template <class S> __device__ void begin(Group&, S& sums) {
    pin(sums[0]);
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
  }
  template <class S> __device__ void rows(Group&, S& sums, uint64_t x, uint64_t y, bool adds) {
    wgmma_rows(sums[0], x, y, adds ? 1 : 0);
  }
  template <class S, class P> __device__ void pairs(Group&, S& sums, P& p, uint64_t y) {
    wgmma_pairs(sums[0], p[0], y);
  }
  __device__ void commit(Group&) { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
  template <int kPending, class... S> __device__ void wait(Group&, S&... sums) {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
    (pin(sums[0]), ...);
  }
};

}  // namespace lowland::hopper

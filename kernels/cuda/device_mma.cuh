// The GPU's side of kernels/cuda/mma.h: sm_80 and later.
#pragma once
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/mma.h"

namespace lowland::cuda {

__device__ inline uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

template <int Threads, class To, class From>
__device__ void load_matrices(DeviceBlock<Threads>&, const To& to, const From& from) {
  const int t = static_cast<int>(threadIdx.x);
  Pairs& x = to(t);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(x.r[0]), "=r"(x.r[1]), "=r"(x.r[2]), "=r"(x.r[3])
               : "r"(shared_address(from(t)))
               : "memory");
}

template <int Threads, class To, class From>
__device__ void load_matrices_transposed(DeviceBlock<Threads>&, const To& to, const From& from) {
  const int t = static_cast<int>(threadIdx.x);
  Pairs& x = to(t);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(x.r[0]), "=r"(x.r[1]), "=r"(x.r[2]), "=r"(x.r[3])
               : "r"(shared_address(from(t)))
               : "memory");
}

template <int Threads, class C, class A, class B0, class B1>
__device__ void multiply_add(DeviceBlock<Threads>&, const C& c, const A& a, const B0& b0, const B1& b1) {
  const int t = static_cast<int>(threadIdx.x);
  Quad& sum = c(t);
  const Pairs& x = a(t);
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sum.v[0]), "+f"(sum.v[1]), "+f"(sum.v[2]), "+f"(sum.v[3])
      : "r"(x.r[0]), "r"(x.r[1]), "r"(x.r[2]), "r"(x.r[3]), "r"(b0(t)), "r"(b1(t)));
}

template <int Threads> class AsyncCopies<DeviceBlock<Threads>> {
 public:
  // Past L1: what a tile holds is read once.
  __device__ void copy16(void* to, const void* from, bool valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
                 "r"(valid ? 16 : 0)
                 : "memory");
  }
  __device__ void commit(int) { asm volatile("cp.async.commit_group;" ::: "memory"); }
  template <int kPending> __device__ void wait(int) {
    asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
  }
};

}  // namespace lowland::cuda

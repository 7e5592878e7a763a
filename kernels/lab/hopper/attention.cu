// The launches of forward_hopper.h and backward_hopper.h: a file of its own, compiled for sm_90a alone.
#include <cuda_runtime.h>

#include "kernels/cuda/attention_backward_launch.cuh"
#include "kernels/lab/attention/backward_hopper.h"
#include "kernels/lab/attention/forward_hopper.h"
#include "kernels/lab/attention/hopper.h"
#include "kernels/lab/device_lab.h"
#include "kernels/lab/hopper/device_hopper.cuh"

namespace lowland::lab {
namespace {

using hopper::TileMap;
using Copying = hopper::DeviceGroup<cuda::kWarp, 1>;
using Computing = hopper::DeviceGroup<hopper::kGroupThreads, 2>;

// A matrix for the copy engine, by the driver's function, which no library at hand has: the runtime finds it.
CUtensorMap encoded(const TileMap& map) {
  using Encode = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, const cuuint64_t*,
                              const cuuint64_t*, const cuuint32_t*, const cuuint32_t*, CUtensorMapInterleave,
                              CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);
  hopper::check_map(map);
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050
  LL_CUDA(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault, &found));
#else
  LL_CUDA(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &entry, cudaEnableDefault, &found));
#endif
  if (entry == nullptr || found != cudaDriverEntryPointSuccess)
    fail("[lab] this driver has no cuTensorMapEncodeTiled, which maps for the copy engine are made with");
  const hopper::MapFields f = hopper::fields_of(map);
  const cuuint32_t steps[3] = {1, 1, 1};
  CUtensorMap out;
  const CUresult status =
      reinterpret_cast<Encode>(entry)(&out, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, const_cast<bf16*>(map.data), f.size,
                                      f.stride, f.box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS)
    fail("[lab] cuTensorMapEncodeTiled failed with code " + std::to_string(static_cast<int>(status)));
  return out;
}

__device__ uint8_t* at_1024(uint8_t* shared) { return shared + (1024 - hopper::shared_address(shared) % 1024) % 1024; }

// One warp brings, two warpgroups compute. 128 x 24 + 256 x 240 of the 65536 registers of a multiprocessor.
template <class Body, class Bring, class Compute>
__device__ void run_parts(Body& body, const Bring& bring, const Compute& compute) {
  if (threadIdx.x == 0) {
    body.start([](hopper::Barrier* barrier, int arrivals) { hopper::start_barrier(barrier, arrivals); });
    hopper::barriers_started();
  }
  __syncthreads();
  // By way of a shuffle: the compiler then knows that a warp's threads have the same part, and so the same operands.
  const int part = __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / hopper::kGroupThreads, 0);
  if (part == 0) {
    hopper::give_registers<24>();
    if (threadIdx.x < cuda::kWarp) {
      Copying b;
      bring(b);
    }
  } else {
    hopper::take_registers<240>();
    Computing b;
    compute(b, part - 1);
  }
}

template <int W>
__global__ void __launch_bounds__(hopper::ForwardHopper<W>::kThreads, 1)
    attention_forward_hopper_kernel(const __grid_constant__ hopper::ForwardTask<CUtensorMap> task) {
  extern __shared__ __align__(1024) uint8_t shared[];
  hopper::ForwardHopper<W> body(task.args.shape, task.args.tiles, at_1024(shared));
  run_parts(
      body, [&](Copying& b) { body.bring(b, task.maps); },
      [&](Computing& b, int group) { body.compute(b, task.args, group); });
}

template <int W, bool kForKeys>
__global__ void __launch_bounds__(hopper::BackwardHopper<W, kForKeys>::kThreads, 1)
    attention_backward_hopper_kernel(const __grid_constant__ hopper::BackwardTaskArgs<CUtensorMap> task) {
  extern __shared__ __align__(1024) uint8_t shared[];
  hopper::BackwardHopper<W, kForKeys> body(task.args, at_1024(shared));
  run_parts(
      body, [&](Copying& b) { body.bring(b, task.maps); }, [&](Computing& b, int group) { body.compute(b, group); });
}

cudaDeviceProp properties() {
  int device = 0;
  cudaDeviceProp p{};
  LL_CUDA(cudaGetDevice(&device));
  LL_CUDA(cudaGetDeviceProperties(&p, device));
  return p;
}

template <int W> void launch_forward(Ctx& ctx, const cuda::ForwardArgs<bf16>& args) {
  using Body = hopper::ForwardHopper<W>;
  hopper::ForwardTask<CUtensorMap> task{args, {}};
  const AttentionShape& shape = args.shape;
  task.args.tiles = cuda::tiles_of(shape.max_q, shape.NQ, Body::kQueries);
  const hopper::ForwardMaps<TileMap> maps = hopper::maps_of<Body>(args);
  task.maps = {encoded(maps.q), encoded(maps.k), encoded(maps.v)};
  const auto kernel = attention_forward_hopper_kernel<W>;
  cuda::allow_shared(kernel, Body::kShared);
  const int64_t pieces = (shape.S + 1) * shape.NH * task.args.tiles;
  LL_CUDA_LAUNCH(ctx, std::min<int64_t>(pieces, properties().multiProcessorCount), Body::kThreads, Body::kShared,
                 kernel, task);
}

template <int W, bool kForKeys> void launch_backward(Ctx& ctx, const cuda::BackwardArgs<bf16>& args) {
  using Body = hopper::BackwardHopper<W, kForKeys>;
  hopper::BackwardTaskArgs<CUtensorMap> task{args, {}};
  const int64_t pieces = cuda::backward_grid(task.args, kForKeys, Body::kOwn);
  const hopper::BackwardMaps<TileMap> maps = hopper::maps_of<Body, kForKeys>(args);
  for (int i = 0; i < 2; ++i) {
    task.maps.own[i] = encoded(maps.own[i]);
    task.maps.other[i] = encoded(maps.other[i]);
  }
  const auto kernel = attention_backward_hopper_kernel<W, kForKeys>;
  cuda::allow_shared(kernel, Body::kShared);
  LL_CUDA_LAUNCH(ctx, std::min<int64_t>(pieces, properties().multiProcessorCount), Body::kThreads, Body::kShared,
                 kernel, task);
}

}  // namespace

bool hopper_here(DeviceLab&) {
  const cudaDeviceProp p = properties();
  return p.major == 9 && p.minor == 0;
}

void launch_forward_hopper(DeviceLab& lab, const cuda::ForwardArgs<bf16>& args) {
  args.shape.HD == 64 ? launch_forward<64>(lab.gpu(), args) : launch_forward<128>(lab.gpu(), args);
}

void launch_backward_hopper(DeviceLab& lab, const cuda::BackwardArgs<bf16>& args, bool for_keys) {
  Ctx& ctx = lab.gpu();
  if (args.shape.HD == 64)
    for_keys ? launch_backward<64, true>(ctx, args) : launch_backward<64, false>(ctx, args);
  else
    for_keys ? launch_backward<128, true>(ctx, args) : launch_backward<128, false>(ctx, args);
}

}  // namespace lowland::lab

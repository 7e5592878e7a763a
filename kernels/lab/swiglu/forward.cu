// swiglu forward (contract: kernels/swiglu.h), bf16.
#include "kernels/cuda/map.cuh"
#include "kernels/lab/experiments.h"
#include "kernels/swiglu.h"

namespace lowland::lab {
namespace {

__global__ void gate_to_front(bf16* gate, const bf16* x, int F) {
  const int f = blockIdx.x * blockDim.x + threadIdx.x;
  if (f < F) gate[int64_t{blockIdx.y} * F + f] = x[int64_t{blockIdx.y} * 2 * F + f];
}
__global__ void times_up(bf16* y, const bf16* x, int F) {
  const int f = blockIdx.x * blockDim.x + threadIdx.x;
  if (f >= F) return;
  const int64_t i = int64_t{blockIdx.y} * F + f;
  y[i] = bf16(static_cast<float>(y[i]) * static_cast<float>(x[int64_t{blockIdx.y} * 2 * F + F + f]));
}

// A thread has two loads of two bytes in flight: the memory waits for the threads.
__global__ void swiglu_2_thread_per_element(bf16* y, const bf16* x, int F) {
  const int f = blockIdx.x * blockDim.x + threadIdx.x;
  if (f >= F) return;
  const bf16* row = x + int64_t{blockIdx.y} * 2 * F;
  const float g = static_cast<float>(row[f]);
  y[int64_t{blockIdx.y} * F + f] = bf16(g / (1.0f + __expf(-g)) * static_cast<float>(row[F + f]));
}

}  // namespace

void swiglu_forward_versions(Lab& lab) {
  for (const int F : {8192, 14336}) {  // Llama-3.2-1B, 3.1-8B
    const int64_t N = std::min<int64_t>(lab.rows_for(6.0 * F), 65535), size = N * F;
    const auto x = random_values<bf16>(2 * size, 1, 2.0f);
    const auto xf = to_float(x);
    std::vector<float> want(size);
    cpu_v3::swiglu_forward<float>(lab.cpu(), want.data(), xf.data(), N, F);
    const DeviceArray<bf16> gx(x);
    DeviceArray<bf16> y(size);
    const dim3 grid(cuda::blocks_for(F, 256), N);
    lab.measure({.op = "swiglu forward",
                 .shape = std::to_string(N) + " x " + std::to_string(F) + " bf16",
                 .bytes = 6.0 * static_cast<double>(size),
                 .prepare = [&] { y.poison(); },
                 .error = [&] { return largest_error(y.download(), want); },
                 .tolerance = 1.0 / 125,
                 .versions = {{"1 silu, then times up: rounded twice",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, grid, 256, 0, gate_to_front, y.data(), gx.data(), F);
                                 cuda::map_forward<Silu>(ctx, y.data(), y.data(), size);
                                 LL_CUDA_LAUNCH(ctx, grid, 256, 0, times_up, y.data(), gx.data(), F);
                               }},
                              {"2 one pass, thread per element",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, grid, 256, 0, swiglu_2_thread_per_element, y.data(), gx.data(), F);
                               }},
                              {"3 16 bytes of four rows (the engine's)",
                               [&](Ctx& ctx) { cuda::swiglu_forward<bf16>(ctx, y.data(), gx.data(), N, F); }}}});
  }
}

}  // namespace lowland::lab

// swiglu backward (contract: kernels/swiglu.h), bf16.
#include "kernels/cuda/launch.cuh"
#include "kernels/lab/experiments.h"
#include "kernels/swiglu.h"

namespace lowland::lab {
namespace {

// The gradients of gate and of up by threads of their own: both read everything and take the sigmoid.
__global__ void swiglu_gradient_1_thread_per_gradient(bf16* dx, const bf16* dy, const bf16* x, int F) {
  const int c = blockIdx.x * blockDim.x + threadIdx.x, f = c % F;
  if (c >= 2 * F) return;
  const int64_t row = int64_t{blockIdx.y} * 2 * F;
  const float g = static_cast<float>(x[row + f]), u = static_cast<float>(x[row + F + f]);
  const float d = static_cast<float>(dy[int64_t{blockIdx.y} * F + f]), s = 1.0f / (1.0f + expf(-g));
  dx[row + c] = bf16(c < F ? d * u * s * (1.0f + g * (1.0f - s)) : d * g * s);
}

__global__ void swiglu_gradient_2_both_at_once(bf16* dx, const bf16* dy, const bf16* x, int F) {
  const int f = blockIdx.x * blockDim.x + threadIdx.x;
  if (f >= F) return;
  const int64_t row = int64_t{blockIdx.y} * 2 * F;
  const float g = static_cast<float>(x[row + f]), u = static_cast<float>(x[row + F + f]);
  const float d = static_cast<float>(dy[int64_t{blockIdx.y} * F + f]), s = 1.0f / (1.0f + __expf(-g));
  dx[row + f] = bf16(d * u * s * (1.0f + g * (1.0f - s)));
  dx[row + F + f] = bf16(d * g * s);
}

}  // namespace

void swiglu_backward_versions(Lab& lab) {
  for (const int F : {8192, 14336}) {
    const int64_t N = std::min<int64_t>(lab.rows_for(10.0 * F), 65535), size = N * F;
    const auto x = random_values<bf16>(2 * size, 1, 2.0f), dy = random_values<bf16>(size, 2);
    const auto xf = to_float(x), df = to_float(dy);
    std::vector<float> want(x.size());
    cpu_v3::swiglu_backward<float>(lab.cpu(), want.data(), df.data(), xf.data(), N, F);
    const DeviceArray<bf16> gx(x), gd(dy);
    DeviceArray<bf16> dx(2 * size);
    const dim3 one(cuda::blocks_for(2 * F, 256), N);
    const dim3 both(cuda::blocks_for(F, 256), N);
    lab.measure({.op = "swiglu backward",
                 .shape = std::to_string(N) + " x " + std::to_string(F) + " bf16",
                 .bytes = 10.0 * static_cast<double>(size),
                 .prepare = [&] { dx.poison(); },
                 .error = [&] { return largest_error(dx.download(), want); },
                 .tolerance = 1.0 / 250,
                 .versions = {{"1 thread per gradient",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, one, 256, 0, swiglu_gradient_1_thread_per_gradient, dx.data(),
                                                gd.data(), gx.data(), F);
                               }},
                              {"2 both gradients by one thread",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, both, 256, 0, swiglu_gradient_2_both_at_once, dx.data(), gd.data(),
                                                gx.data(), F);
                               }},
                              {"3 16 bytes of four rows (the engine's)", [&](Ctx& ctx) {
                                 cuda::swiglu_backward<bf16>(ctx, dx.data(), gd.data(), gx.data(), N, F);
                               }}}});
  }
}

}  // namespace lowland::lab

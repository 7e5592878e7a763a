// cross_entropy backward (contract: kernels/cross_entropy.h), bf16.
#include "kernels/cross_entropy.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/lab/experiments.h"

namespace lowland::lab {
namespace {

__global__ void softmax_gradient_1_thread_per_element(bf16* dx, const float* dloss, const bf16* x,
                                                      const int32_t* target, const float* lse, int64_t n, int V,
                                                      float scale) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const int64_t row = i / V, v = i % V;  // 64-bit divisions: some forty instructions each
  const float p = expf(static_cast<float>(x[i]) - lse[row]);
  dx[i] = bf16(*dloss * scale * (v == target[row] ? p - 1.0f : p));
}

__global__ void softmax_gradient_2_block_per_row(bf16* dx, const float* dloss, const bf16* x, const int32_t* target,
                                                 const float* lse, int V, float scale) {
  const int64_t n = blockIdx.x;
  const float g = *dloss * scale, top = lse[n];
  for (int v = threadIdx.x; v < V; v += 512) {
    const float p = __expf(static_cast<float>(x[n * V + v]) - top);
    dx[n * V + v] = bf16(g * (v == target[n] ? p - 1.0f : p));
  }
}

}  // namespace

void cross_entropy_backward_versions(Lab& lab) {
  for (const int V : {50265, 128256}) {
    const auto N = static_cast<int>(lab.rows_for(4.0 * V));
    const int64_t size = int64_t{N} * V;
    const auto x = random_values<bf16>(size, 1, 3.0f);
    const auto xf = to_float(x);
    std::vector<int32_t> target(N);
    for (int n = 0; n < N; ++n) target[n] = static_cast<int32_t>(n * 7919LL % V);
    const CrossEntropyShape shape{N, V, -100, 0, 1.0};
    std::vector<float> lse(N), want(x.size());
    float loss = 0;
    const float dloss = 1.5f;
    cpu_v3::cross_entropy_forward<float>(lab.cpu(), &loss, lse.data(), xf.data(), target.data(), shape);
    cpu_v3::cross_entropy_backward<float>(lab.cpu(), want.data(), &dloss, xf.data(), target.data(), lse.data(), shape);
    const DeviceArray<bf16> gx(x);
    const DeviceArray<int32_t> gt(target);
    const DeviceArray<float> gl(lse), gd(std::vector<float>{dloss});
    DeviceArray<bf16> dx(size);
    lab.measure({.op = "cross_entropy backward",
                 .shape = std::to_string(N) + " x " + std::to_string(V) + " bf16",
                 .bytes = 4.0 * static_cast<double>(size),
                 .prepare = [&] { dx.poison(); },
                 .error = [&] { return largest_error(dx.download(), want); },
                 .tolerance = 1.0 / 250,
                 .versions = {{"1 thread per element",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, cuda::blocks_for(size, 256), 256, 0,
                                                softmax_gradient_1_thread_per_element, dx.data(), gd.data(), gx.data(),
                                                gt.data(), gl.data(), size, V, 1.0f);
                               }},
                              {"2 block per row",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, N, 512, 0, softmax_gradient_2_block_per_row, dx.data(), gd.data(),
                                                gx.data(), gt.data(), gl.data(), V, 1.0f);
                               }},
                              {"3 16-byte loads and stores (the engine's)", [&](Ctx& ctx) {
                                 cuda::cross_entropy_backward<bf16>(ctx, dx.data(), gd.data(), gx.data(), gt.data(),
                                                                    gl.data(), shape);
                               }}}});
  }
}

}  // namespace lowland::lab

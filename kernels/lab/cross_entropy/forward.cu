// cross_entropy forward, the log-sum-exp of each row (contract: kernels/cross_entropy.h), bf16. A row of an odd
// vocabulary, as RoBERTa's 50265, stands at any multiple of two bytes.
#include "kernels/cross_entropy.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/lab/experiments.h"

namespace lowland::lab {
namespace {

constexpr float kLowest = -3.0e38f;

__device__ float at(const bf16* p, int64_t i) { return static_cast<float>(p[i]); }

__global__ void lse_1_thread_per_row(float* lse, const bf16* x, int N, int V) {
  const int64_t n = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (n >= N) return;
  float top = kLowest, sum = 0;
  for (int v = 0; v < V; ++v) top = fmaxf(top, at(x, n * V + v));
  for (int v = 0; v < V; ++v) sum += expf(at(x, n * V + v) - top);
  lse[n] = top + logf(sum);
}

// Two sweeps: a row of 100 KB is past the L1 when the second begins.
__global__ void lse_2_block_per_row(float* lse, const bf16* x, int V) {
  cuda::DeviceBlock<512> b;
  cuda::DeviceBlock<512>::PerThread<float> top, sum;
  const bf16* row = x + b.index() * V;
  b.each([&](int t) {
    top[t] = kLowest;
    for (int v = t; v < V; v += 512) top[t] = fmaxf(top[t], at(row, v));
  });
  const float highest = b.max(top);
  b.each([&](int t) {
    for (int v = t; v < V; v += 512) sum[t] += expf(at(row, v) - highest);
  });
  const float total = b.sum(sum);
  if (threadIdx.x == 0) lse[b.index()] = highest + logf(total);
}

// One sweep: the sum is relative to the largest value so far.
__global__ void lse_3_online(float* lse, const bf16* x, int V) {
  cuda::DeviceBlock<512> b;
  cuda::DeviceBlock<512>::PerThread<float> top, sum;
  const bf16* row = x + b.index() * V;
  float own = kLowest;
  b.each([&](int t) {
    for (int v = t; v < V; v += 512) {
      const float value = at(row, v);
      if (value > own) {
        sum[t] *= __expf(own - value);
        own = value;
      }
      sum[t] += __expf(value - own);
    }
    top[t] = own;
  });
  const float highest = b.max(top);
  b.each([&](int t) { sum[t] *= __expf(own - highest); });
  const float total = b.sum(sum);
  if (threadIdx.x == 0) lse[b.index()] = highest + logf(total);
}

}  // namespace

void cross_entropy_forward_versions(Lab& lab) {
  for (const int V : {50265, 128256}) {
    const auto N = static_cast<int>(lab.rows_for(2.0 * V));
    const int64_t size = int64_t{N} * V;
    const auto x = random_values<bf16>(size, 1, 3.0f);
    std::vector<int32_t> target(N);
    for (int n = 0; n < N; ++n) target[n] = static_cast<int32_t>(n * 7919LL % V);
    const CrossEntropyShape shape{N, V, -100, 0, 1.0 / N};
    std::vector<float> want(N);
    float want_loss = 0;
    cpu_v3::cross_entropy_forward<float>(lab.cpu(), &want_loss, want.data(), to_float(x).data(), target.data(), shape);
    const DeviceArray<bf16> gx(x);
    const DeviceArray<int32_t> gt(target);
    DeviceArray<float> lse(N), loss(1);
    lab.measure(
        {.op = "cross_entropy forward",
         .shape = std::to_string(N) + " x " + std::to_string(V) + " bf16",
         .bytes = 2.0 * static_cast<double>(size),
         .prepare = [&] { lse.poison(); },
         .error = [&] { return largest_error(lse.download(), want); },
         .tolerance = 1e-5,
         .versions = {{"1 thread per row",
                       [&](Ctx& ctx) {
                         LL_CUDA_LAUNCH(ctx, (N + 31) / 32, 32, 0, lse_1_thread_per_row, lse.data(), gx.data(), N, V);
                       }},
                      {"2 block per row, two sweeps",
                       [&](Ctx& ctx) {
                         LL_CUDA_LAUNCH(ctx, N, 512, 0, lse_2_block_per_row, lse.data(), gx.data(), V);
                       }},
                      {"3 online, one sweep",
                       [&](Ctx& ctx) { LL_CUDA_LAUNCH(ctx, N, 512, 0, lse_3_online, lse.data(), gx.data(), V); }},
                      {"4 16-byte loads, and the loss (the engine's)", [&](Ctx& ctx) {
                         cuda::cross_entropy_forward<bf16>(ctx, loss.data(), lse.data(), gx.data(), gt.data(), shape);
                       }}}});
  }
}

}  // namespace lowland::lab

// layer_norm forward (contract: kernels/layer_norm.h), bf16. The rows have a mean of 8 and a deviation of 1, as rows of
// a residual stream may: then E[x^2] - E[x]^2 cancels, and the versions tell themselves apart by their error as well.
#include "kernels/cuda/chunk.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/lab/experiments.h"
#include "kernels/layer_norm.h"

namespace lowland::lab {
namespace {

constexpr float kEps = 1e-5f;

__device__ float warp_sum(float x) {
  for (int mask = 16; mask > 0; mask /= 2) x += __shfl_xor_sync(0xffffffffu, x, mask);
  return x;
}
__device__ float at(const bf16* p, int64_t i) { return static_cast<float>(p[i]); }

__global__ void layer_norm_1_thread_per_row(bf16* y, const bf16* x, const bf16* w, const bf16* b, int N, int C) {
  const int64_t n = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (n >= N) return;
  float sum = 0, squares = 0;
  for (int c = 0; c < C; ++c) sum += at(x, n * C + c);
  const float mean = sum / static_cast<float>(C);
  for (int c = 0; c < C; ++c) squares += (at(x, n * C + c) - mean) * (at(x, n * C + c) - mean);
  const float r = rsqrtf(squares / static_cast<float>(C) + kEps);
  for (int c = 0; c < C; ++c) y[n * C + c] = bf16(at(w, c) * ((at(x, n * C + c) - mean) * r) + at(b, c));
}

__global__ void layer_norm_2_warp_per_row(bf16* y, const bf16* x, const bf16* w, const bf16* b, int N, int C) {
  const int64_t n = int64_t{blockIdx.x} * 8 + threadIdx.x / 32, row = n * C;
  if (n >= N) return;
  const int lane = threadIdx.x % 32;
  float sum = 0, squares = 0;
  for (int c = lane; c < C; c += 32) sum += at(x, row + c);
  const float mean = warp_sum(sum) / static_cast<float>(C);
  for (int c = lane; c < C; c += 32) squares += (at(x, row + c) - mean) * (at(x, row + c) - mean);
  const float r = rsqrtf(warp_sum(squares) / static_cast<float>(C) + kEps);
  for (int c = lane; c < C; c += 32) y[row + c] = bf16(at(w, c) * ((at(x, row + c) - mean) * r) + at(b, c));
}

// One sweep for both moments: faster than two, and wrong in the last digits where the mean is large.
__global__ void layer_norm_3_squares_at_once(bf16* y, const bf16* x, const bf16* w, const bf16* b, int N, int C) {
  const int64_t n = int64_t{blockIdx.x} * 8 + threadIdx.x / 32, row = n * C;
  if (n >= N) return;
  const int lane = threadIdx.x % 32;
  float sum = 0, squares = 0;
  for (int c = lane * 8; c < C; c += 256) {
    const auto part = cuda::load_chunk<8>(x + row + c);
    LL_UNROLL
    for (int j = 0; j < 8; ++j) {
      sum += part[j];
      squares += part[j] * part[j];
    }
  }
  const float mean = warp_sum(sum) / static_cast<float>(C);
  const float r = rsqrtf(warp_sum(squares) / static_cast<float>(C) - mean * mean + kEps);
  for (int c = lane * 8; c < C; c += 256) {
    const auto part = cuda::load_chunk<8>(x + row + c), scale = cuda::load_chunk<8>(w + c);
    const auto shift = cuda::load_chunk<8>(b + c);
    cuda::store_each<8>(y + row + c, [&](int j) { return scale[j] * ((part[j] - mean) * r) + shift[j]; });
  }
}

}  // namespace

void layer_norm_forward_versions(Lab& lab) {
  for (const int C : {768, 1024, 4096}) {
    const auto N = static_cast<int>(lab.rows_for(4.0 * C));
    const int64_t size = int64_t{N} * C;
    auto x = random_values<bf16>(size, 1);
    for (bf16& v : x) v = bf16(static_cast<float>(v) + 8.0f);
    const auto w = random_values<bf16>(C, 2), b = random_values<bf16>(C, 3);
    const auto xf = to_float(x), wf = to_float(w), bf = to_float(b);
    std::vector<float> want(x.size());
    cpu_v3::layer_norm_forward<float>(
        lab.cpu(), {want.data(), nullptr, nullptr, xf.data(), wf.data(), bf.data(), N, C, static_cast<double>(kEps)});
    const DeviceArray<bf16> gx(x), gw(w), gb(b);
    DeviceArray<bf16> y(size);
    const int64_t groups = (N + 7) / 8, batches = (N + 127) / 128;
    const LayerNormForward<bf16> engine{
        y.data(), nullptr, nullptr, gx.data(), gw.data(), gb.data(), N, C, static_cast<double>(kEps)};
    lab.measure({.op = "layer_norm forward",
                 .shape = std::to_string(N) + " x " + std::to_string(C) + " bf16",
                 .bytes = 4.0 * static_cast<double>(size),
                 .prepare = [&] { y.poison(); },
                 .error = [&] { return largest_error(y.download(), want); },
                 .tolerance = 1.0 / 250,
                 .versions = {{"1 thread per row",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, batches, 128, 0, layer_norm_1_thread_per_row, y.data(), gx.data(),
                                                gw.data(), gb.data(), N, C);
                               }},
                              {"2 warp per row, shuffles",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, groups, 256, 0, layer_norm_2_warp_per_row, y.data(), gx.data(),
                                                gw.data(), gb.data(), N, C);
                               }},
                              {"3 16-byte loads, both moments in one sweep",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, groups, 256, 0, layer_norm_3_squares_at_once, y.data(), gx.data(),
                                                gw.data(), gb.data(), N, C);
                               }},
                              {"4 row in registers, two looks (the engine's)",
                               [&](Ctx& ctx) { cuda::layer_norm_forward<bf16>(ctx, engine); }}}});
  }
}

}  // namespace lowland::lab

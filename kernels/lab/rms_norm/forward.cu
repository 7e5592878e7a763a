// rms_norm forward (contract: kernels/rms_norm.h), bf16.
#include "kernels/cuda/chunk.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/lab/experiments.h"
#include "kernels/rms_norm.h"

namespace lowland::lab {
namespace {

constexpr float kEps = 1e-5f;

__device__ float warp_sum(float x) {
  for (int mask = 16; mask > 0; mask /= 2) x += __shfl_xor_sync(0xffffffffu, x, mask);
  return x;
}

// Neighbouring threads read addresses a row apart: each fetches 32 bytes to use two.
__global__ void rms_norm_1_thread_per_row(bf16* y, const bf16* x, const bf16* w, int N, int C) {
  const int64_t n = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (n >= N) return;
  float sum = 0;
  for (int c = 0; c < C; ++c) sum += static_cast<float>(x[n * C + c]) * static_cast<float>(x[n * C + c]);
  const float r = rsqrtf(sum / static_cast<float>(C) + kEps);
  for (int c = 0; c < C; ++c) y[n * C + c] = bf16(static_cast<float>(w[c]) * static_cast<float>(x[n * C + c]) * r);
}

// Coalesced; a tree in shared memory, whose barriers every thread waits for.
__global__ void rms_norm_2_block_per_row(bf16* y, const bf16* x, const bf16* w, int, int C) {
  __shared__ float tree[256];
  const bf16* row = x + int64_t{blockIdx.x} * C;
  float sum = 0;
  for (int c = threadIdx.x; c < C; c += 256) sum += static_cast<float>(row[c]) * static_cast<float>(row[c]);
  tree[threadIdx.x] = sum;
  __syncthreads();
  for (int half = 128; half > 0; half /= 2) {
    if (static_cast<int>(threadIdx.x) < half) tree[threadIdx.x] += tree[threadIdx.x + half];
    __syncthreads();
  }
  const float r = rsqrtf(tree[0] / static_cast<float>(C) + kEps);
  for (int c = threadIdx.x; c < C; c += 256)
    y[int64_t{blockIdx.x} * C + c] = bf16(static_cast<float>(w[c]) * static_cast<float>(row[c]) * r);
}

// No shared memory and no barrier.
__global__ void rms_norm_3_warp_per_row(bf16* y, const bf16* x, const bf16* w, int N, int C) {
  const int64_t n = int64_t{blockIdx.x} * 8 + threadIdx.x / 32;
  if (n >= N) return;
  const bf16* row = x + n * C;
  const int lane = threadIdx.x % 32;
  float sum = 0;
  for (int c = lane; c < C; c += 32) sum += static_cast<float>(row[c]) * static_cast<float>(row[c]);
  const float r = rsqrtf(warp_sum(sum) / static_cast<float>(C) + kEps);
  for (int c = lane; c < C; c += 32) y[n * C + c] = bf16(static_cast<float>(w[c]) * static_cast<float>(row[c]) * r);
}

// An eighth of the loads and stores; the second read of the row comes from a cache.
__global__ void rms_norm_4_sixteen_bytes(bf16* y, const bf16* x, const bf16* w, int N, int C) {
  const int64_t n = int64_t{blockIdx.x} * 8 + threadIdx.x / 32;
  if (n >= N) return;
  const bf16* row = x + n * C;
  const int lane = threadIdx.x % 32;
  float sum = 0;
  for (int c = lane * 8; c < C; c += 256) {
    const auto part = cuda::load_chunk<8>(row + c);
    LL_UNROLL
    for (int j = 0; j < 8; ++j) sum += part[j] * part[j];
  }
  const float r = rsqrtf(warp_sum(sum) / static_cast<float>(C) + kEps);
  for (int c = lane * 8; c < C; c += 256) {
    const auto part = cuda::load_chunk<8>(row + c), scale = cuda::load_chunk<8>(w + c);
    cuda::store_each<8>(y + n * C + c, [&](int j) { return scale[j] * part[j] * r; });
  }
}

}  // namespace

void rms_norm_forward_versions(Lab& lab) {
  for (const int C : {768, 1024, 4096}) {
    const auto N = static_cast<int>(lab.rows_for(4.0 * C));
    const auto x = random_values<bf16>(int64_t{N} * C, 1), w = random_values<bf16>(C, 2);
    std::vector<float> want(x.size());
    cpu_v3::rms_norm_forward<float>(lab.cpu(), want.data(), nullptr, to_float(x).data(), to_float(w).data(), N, C,
                                    kEps);
    const DeviceArray<bf16> dx(x), dw(w);
    DeviceArray<bf16> y(int64_t{N} * C);
    const int64_t groups = (N + 7) / 8, batches = (N + 127) / 128;
    lab.measure({.op = "rms_norm forward",
                 .shape = std::to_string(N) + " x " + std::to_string(C) + " bf16",
                 .bytes = 4.0 * N * C,
                 .prepare = [&] { y.poison(); },
                 .error = [&] { return largest_error(y.download(), want); },
                 .tolerance = 1.0 / 250,
                 .versions = {{"1 thread per row",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, batches, 128, 0, rms_norm_1_thread_per_row, y.data(), dx.data(),
                                                dw.data(), N, C);
                               }},
                              {"2 block per row, tree in shared memory",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, N, 256, 0, rms_norm_2_block_per_row, y.data(), dx.data(),
                                                dw.data(), N, C);
                               }},
                              {"3 warp per row, shuffles",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, groups, 256, 0, rms_norm_3_warp_per_row, y.data(), dx.data(),
                                                dw.data(), N, C);
                               }},
                              {"4 16-byte loads",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, groups, 256, 0, rms_norm_4_sixteen_bytes, y.data(), dx.data(),
                                                dw.data(), N, C);
                               }},
                              {"5 row in registers (the engine's)", [&](Ctx& ctx) {
                                 cuda::rms_norm_forward<bf16>(ctx, y.data(), nullptr, dx.data(), dw.data(), N, C, kEps);
                               }}}});
  }
}

}  // namespace lowland::lab

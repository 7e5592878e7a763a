// rope (contract: kernels/rope.h), bf16, in place. The backward is the same kernel.
#include "kernels/rope.h"

#include "kernels/cuda/launch.cuh"
#include "kernels/lab/experiments.h"

namespace lowland::lab {
namespace {

__device__ void rotate(bf16* low, int half, float sine, float cosine) {
  const float u = static_cast<float>(low[0]), v = static_cast<float>(low[half]);
  low[0] = bf16(u * cosine - v * sine);
  low[half] = bf16(v * cosine + u * sine);
}

// Each pair computes its own sine and cosine: some eighty instructions for four bytes.
__global__ void rope_1_thread_per_pair(bf16* x, const int32_t* position, const float* f, RopeShape s) {
  const int half = static_cast<int>(s.HD) / 2, pairs = static_cast<int>(s.heads) * half;
  const int64_t k = int64_t{blockIdx.x} * blockDim.x + threadIdx.x, n = k / pairs;
  if (n >= s.N) return;
  const int head = static_cast<int>(k % pairs) / half, i = static_cast<int>(k % pairs) % half;
  float sine, cosine;
  sincosf(static_cast<float>(position[n]) * f[i], &sine, &cosine);
  rotate(x + n * s.stride + head * s.HD + i, half, sine, cosine);
}

// One sincosf for all heads; but a thread waits for each head's two elements before it asks for the next.
__global__ void rope_2_heads_in_a_loop(bf16* x, const int32_t* position, const float* f, RopeShape s) {
  const int half = static_cast<int>(s.HD) / 2;
  const int64_t k = int64_t{blockIdx.x} * blockDim.x + threadIdx.x, n = k / half;
  if (n >= s.N) return;
  const int i = static_cast<int>(k % half);
  float sine, cosine;
  sincosf(static_cast<float>(position[n]) * f[i], &sine, &cosine);
  for (int64_t h = 0; h < s.heads; ++h) rotate(x + n * s.stride + h * s.HD + i, half, sine, cosine);
}

struct Heads {
  int64_t q_and_k, v, HD;
};

}  // namespace

void rope_forward_versions(Lab& lab) {
  for (const Heads h : {Heads{40, 8, 128}, Heads{40, 8, 64}}) {  // Llama-3.1-8B; Llama-3.2-1B
    const int64_t stride = (h.q_and_k + h.v) * h.HD, rotated = h.q_and_k * h.HD;
    const int64_t N = lab.rows_for(4.0 * static_cast<double>(rotated)), half = h.HD / 2;
    const RopeShape shape{N, stride, h.q_and_k, h.HD};
    const auto x = random_values<bf16>(N * stride, 1);
    std::vector<int32_t> position(N);
    for (int64_t n = 0; n < N; ++n) position[n] = static_cast<int32_t>(n % 4096);
    std::vector<float> f(half);
    for (int64_t i = 0; i < half; ++i) f[i] = std::pow(500000.0f, -static_cast<float>(i) / static_cast<float>(half));
    std::vector<float> want = to_float(x);
    cpu_v3::rope_forward<float>(lab.cpu(), want.data(), position.data(), f.data(), shape);
    DeviceArray<bf16> gx(x);
    const DeviceArray<int32_t> gp(position);
    const DeviceArray<float> gf(f);
    const int64_t pairs = cuda::blocks_for(N * h.q_and_k * half, 256);
    const int64_t angles = cuda::blocks_for(N * half, 256);
    lab.measure({.op = "rope forward",
                 .shape = std::to_string(N) + " x " + std::to_string(rotated) + " bf16",
                 .bytes = 4.0 * static_cast<double>(N * rotated),
                 .prepare = [&] { gx.upload(x); },
                 .error = [&] { return largest_error(gx.download(), want); },
                 .tolerance = 1.0 / 250,
                 .versions = {{"1 thread per pair",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, pairs, 256, 0, rope_1_thread_per_pair, gx.data(), gp.data(),
                                                gf.data(), shape);
                               }},
                              {"2 heads in a thread's loop",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, angles, 256, 0, rope_2_heads_in_a_loop, gx.data(), gp.data(),
                                                gf.data(), shape);
                               }},
                              {"3 16 bytes, angles in shared memory (the engine's)", [&](Ctx& ctx) {
                                 cuda::rope_forward<bf16>(ctx, gx.data(), gp.data(), gf.data(), shape);
                               }}}});
  }
}

}  // namespace lowland::lab

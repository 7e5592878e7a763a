// rms_norm backward with dw (contract: kernels/rms_norm.h), bf16.
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/lab/experiments.h"
#include "kernels/rms_norm.h"

namespace lowland::lab {
namespace {

constexpr float kEps = 1e-5f;

__device__ float at(const bf16* p, int64_t i) { return static_cast<float>(p[i]); }

__global__ void dx_thread_per_row(bf16* dx, const bf16* dy, const bf16* x, const bf16* w, const float* rstd, int N,
                                  int C) {
  const int64_t n = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (n >= N) return;
  float dot = 0;
  for (int c = 0; c < C; ++c) dot += at(w, c) * at(dy, n * C + c) * at(x, n * C + c);
  const float r = rstd[n], k = r * r * dot / static_cast<float>(C);
  for (int c = 0; c < C; ++c) dx[n * C + c] = bf16(r * (at(w, c) * at(dy, n * C + c) - at(x, n * C + c) * k));
}

// One thread adds up a whole column: C threads in all, and a GPU has two hundred thousand.
__global__ void dw_thread_per_column(float* dw, const bf16* dy, const bf16* x, const float* rstd, int N, int C) {
  const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c >= C) return;
  float sum = 0;
  for (int64_t n = 0; n < N; ++n) sum += at(dy, n * C + c) * at(x, n * C + c) * rstd[n];
  dw[c] += sum;
}

__global__ void dx_block_per_row(bf16* dx, const bf16* dy, const bf16* x, const bf16* w, const float* rstd, int C) {
  cuda::DeviceBlock<256> b;
  cuda::DeviceBlock<256>::PerThread<float> dot;
  const int64_t row = b.index() * C;
  b.each([&](int t) {
    for (int c = t; c < C; c += 256) dot[t] += at(w, c) * at(dy, row + c) * at(x, row + c);
  });
  const float r = rstd[b.index()], k = r * r * b.sum(dot) / static_cast<float>(C);
  b.each([&](int t) {
    for (int c = t; c < C; c += 256) dx[row + c] = bf16(r * (at(w, c) * at(dy, row + c) - at(x, row + c) * k));
  });
}

// 32 columns a block, 32 threads a column; x and dy are read a second time.
__global__ void dw_block_per_columns(float* dw, const bf16* dy, const bf16* x, const float* rstd, int N, int C) {
  __shared__ float sums[32][33];
  const int lane = threadIdx.x % 32, group = threadIdx.x / 32, c = static_cast<int>(blockIdx.x) * 32 + lane;
  float sum = 0;
  if (c < C)
    for (int64_t n = group; n < N; n += 32) sum += at(dy, n * C + c) * at(x, n * C + c) * rstd[n];
  sums[group][lane] = sum;
  __syncthreads();
  if (group > 0 || c >= C) return;
  for (int g = 1; g < 32; ++g) sum += sums[g][lane];
  dw[c] += sum;
}

}  // namespace

void rms_norm_backward_versions(Lab& lab) {
  for (const int C : {1024, 4096}) {
    const auto N = static_cast<int>(lab.rows_for(6.0 * C));
    const int64_t size = int64_t{N} * C;
    const auto x = random_values<bf16>(size, 1), w = random_values<bf16>(C, 2), dy = random_values<bf16>(size, 3);
    const auto xf = to_float(x), wf = to_float(w);
    std::vector<float> y(x.size()), rstd(N), want_dx(x.size()), want_dw(w.size(), 0.0f);
    cpu_v3::rms_norm_forward<float>(lab.cpu(), y.data(), rstd.data(), xf.data(), wf.data(), N, C, kEps);
    cpu_v3::rms_norm_backward<float>(lab.cpu(), want_dx.data(), want_dw.data(), to_float(dy).data(), xf.data(),
                                     wf.data(), rstd.data(), N, C);
    const DeviceArray<bf16> gx(x), gw(w), gdy(dy);
    const DeviceArray<float> r(rstd);
    DeviceArray<bf16> dx(size);
    DeviceArray<float> dw(C);
    lab.measure({.op = "rms_norm backward",
                 .shape = std::to_string(N) + " x " + std::to_string(C) + " bf16",
                 .bytes = 6.0 * static_cast<double>(size),
                 .prepare =
                     [&] {
                       dx.poison();
                       dw.clear();
                     },
                 .error =
                     [&] {
                       // dw is a sum of N terms: its error counts against the size of such a sum
                       return std::max(largest_error(dx.download(), want_dx),
                                       largest_error(dw.download(), want_dw) / 10);
                     },
                 .tolerance = 1.0 / 250,
                 .versions = {{"1 thread per row, thread per column",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, (N + 127) / 128, 128, 0, dx_thread_per_row, dx.data(), gdy.data(),
                                                gx.data(), gw.data(), r.data(), N, C);
                                 LL_CUDA_LAUNCH(ctx, (C + 127) / 128, 128, 0, dw_thread_per_column, dw.data(),
                                                gdy.data(), gx.data(), r.data(), N, C);
                               }},
                              {"2 block per row, block per 32 columns",
                               [&](Ctx& ctx) {
                                 LL_CUDA_LAUNCH(ctx, N, 256, 0, dx_block_per_row, dx.data(), gdy.data(), gx.data(),
                                                gw.data(), r.data(), C);
                                 LL_CUDA_LAUNCH(ctx, (C + 31) / 32, 1024, 0, dw_block_per_columns, dw.data(),
                                                gdy.data(), gx.data(), r.data(), N, C);
                               }},
                              {"3 one read, sums in registers (the engine's)", [&](Ctx& ctx) {
                                 cuda::rms_norm_backward<bf16>(ctx, dx.data(), dw.data(), gdy.data(), gx.data(),
                                                               gw.data(), r.data(), N, C);
                               }}}});
  }
}

}  // namespace lowland::lab

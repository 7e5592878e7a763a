// rms_norm forward (contract: kernels/rms_norm.h), bf16.
#pragma once
#include "kernels/cuda/rms_norm_block.h"
#include "kernels/lab/lab.h"
#include "kernels/rms_norm.h"

namespace lowland::lab {

inline constexpr float kRmsEps = 1e-5f;

struct NormRows {
  bf16* y;
  const bf16 *x, *w;
  int N, C;
};

// Neighbouring threads read addresses a row apart: each fetches 32 bytes to use two.
struct RmsNorm1ThreadPerRow {
  static constexpr int kThreads = 128;
  NormRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    b.each([&](int t) {
      const int64_t n = b.index() * kThreads + t;
      if (n >= a.N) return;
      float sum = 0;
      for (int c = 0; c < a.C; ++c) sum += at(a.x, n * a.C + c) * at(a.x, n * a.C + c);
      const float r = cuda::rsqrt_of(sum / static_cast<float>(a.C) + kRmsEps);
      for (int c = 0; c < a.C; ++c) a.y[n * a.C + c] = bf16(at(a.w, c) * at(a.x, n * a.C + c) * r);
    });
  }
};

// Coalesced; a tree in shared memory, whose barriers every thread waits for. shared: 256 floats
struct RmsNorm2BlockPerRow {
  static constexpr int kThreads = 256;
  NormRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const {
    auto* tree = reinterpret_cast<float*>(shared);
    const int64_t row = b.index() * a.C;
    b.each([&](int t) {
      float sum = 0;
      for (int c = t; c < a.C; c += kThreads) sum += at(a.x, row + c) * at(a.x, row + c);
      tree[t] = sum;
    });
    b.sync();
    for (int half = kThreads / 2; half > 0; half /= 2) {
      b.each([&](int t) {
        if (t < half) tree[t] += tree[t + half];
      });
      b.sync();
    }
    b.each([&](int t) {
      const float r = cuda::rsqrt_of(tree[0] / static_cast<float>(a.C) + kRmsEps);
      for (int c = t; c < a.C; c += kThreads) a.y[row + c] = bf16(at(a.w, c) * at(a.x, row + c) * r);
    });
  }
};

// No shared memory and no barrier.
struct RmsNorm3WarpPerRow {
  static constexpr int kThreads = 256;
  NormRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    typename Block::template PerThread<float> sum;
    const auto row_at = [&](int t) { return b.index() * 8 + t / 32; };
    b.each([&](int t) {
      const int64_t n = row_at(t);
      sum[t] = 0;
      for (int c = t % 32; c < a.C && n < a.N; c += 32) sum[t] += at(a.x, n * a.C + c) * at(a.x, n * a.C + c);
    });
    b.warp_sum(sum);
    b.each([&](int t) {
      const int64_t n = row_at(t);
      const float r = cuda::rsqrt_of(sum[t] / static_cast<float>(a.C) + kRmsEps);
      for (int c = t % 32; c < a.C && n < a.N; c += 32) a.y[n * a.C + c] = bf16(at(a.w, c) * at(a.x, n * a.C + c) * r);
    });
  }
};

// An eighth of the loads and stores; the second read of the row comes from a cache.
struct RmsNorm4SixteenBytes {
  static constexpr int kThreads = 256;
  NormRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    typename Block::template PerThread<float> sum;
    const auto row_at = [&](int t) { return b.index() * 8 + t / 32; };
    b.each([&](int t) {
      const int64_t n = row_at(t);
      sum[t] = 0;
      for (int c = t % 32 * 8; c < a.C && n < a.N; c += 256) {
        const auto part = cuda::load_chunk<8>(a.x + n * a.C + c);
        LL_UNROLL
        for (int j = 0; j < 8; ++j) sum[t] += part[j] * part[j];
      }
    });
    b.warp_sum(sum);
    b.each([&](int t) {
      const int64_t n = row_at(t);
      const float r = cuda::rsqrt_of(sum[t] / static_cast<float>(a.C) + kRmsEps);
      for (int c = t % 32 * 8; c < a.C && n < a.N; c += 256) {
        const auto part = cuda::load_chunk<8>(a.x + n * a.C + c), scale = cuda::load_chunk<8>(a.w + c);
        cuda::store_each<8>(a.y + n * a.C + c, [&](int j) { return scale[j] * part[j] * r; });
      }
    });
  }
};

struct RmsNorm5Engine {
  using Plan = cuda::RowPlan<bf16, 8, 3, cuda::kWarp>;  // of the engine's, the one for 264 to 768 columns
  static constexpr int kThreads = Plan::kThreads;
  cuda::RmsNormForward<bf16> a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const { cuda::rms_norm_forward_rows<Plan>(b, a); }
};

template <class Lab> void rms_norm_forward(Lab& lab, int N, int C) {
  Experiment e{.op = "rms_norm forward",
               .shape = std::to_string(N) + " x " + std::to_string(C) + " bf16",
               .bytes = 4.0 * N * C,
               .tolerance = 1.0 / 250};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  const int64_t size = int64_t{N} * C;
  const auto x = random_values<bf16>(size, 1), w = random_values<bf16>(C, 2);
  std::vector<Real> want(x.size());
  cpu_v3::rms_norm_forward<Real>(lab.cpu(), want.data(), nullptr, to_real<Real>(x).data(), to_real<Real>(w).data(), N,
                                 C, kRmsEps);
  const typename Lab::template Array<bf16> dx(x), dw(w);
  typename Lab::template Array<bf16> y(size);
  const NormRows rows{y.data(), dx.data(), dw.data(), N, C};
  e.prepare = [&] { y.poison(); };
  e.error = [&] { return largest_error(y.download(), want); };
  e.versions = {{"1 thread per row", [&] { lab.launch(blocks_of(N, 128), 0, RmsNorm1ThreadPerRow{rows}); }},
                {"2 block per row, tree in shared memory", [&] { lab.launch(N, 1024, RmsNorm2BlockPerRow{rows}); }},
                {"3 warp per row, shuffles", [&] { lab.launch(blocks_of(N, 8), 0, RmsNorm3WarpPerRow{rows}); }},
                {"4 16-byte loads", [&] { lab.launch(blocks_of(N, 8), 0, RmsNorm4SixteenBytes{rows}); }},
                {"5 row in registers (the engine's)", [&] {
                   if constexpr (Lab::kDevice)
                     cuda::rms_norm_forward<bf16>(lab.gpu(), y.data(), nullptr, dx.data(), dw.data(), N, C, kRmsEps);
                   else
                     lab.launch(blocks_of(N, RmsNorm5Engine::Plan::kRows), 0,
                                RmsNorm5Engine{{y.data(), nullptr, dx.data(), dw.data(), N, C, kRmsEps}});
                 }}};
  lab.measure(e);
}

template <class Lab> void rms_norm_forward_versions(Lab& lab) {
  for (const int C : {768, 1024, 4096}) rms_norm_forward(lab, static_cast<int>(lab.rows_for(4.0 * C)), C);
  if constexpr (!Lab::kDevice) rms_norm_forward(lab, 37, 264);
}

}  // namespace lowland::lab

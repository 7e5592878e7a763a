// layer_norm forward (contract: kernels/layer_norm.h), bf16. The rows have a mean of 8 and a deviation of 1, as rows of
// a residual stream may: then E[x^2] - E[x]^2 cancels, and the versions tell themselves apart by their error as well.
#pragma once
#include "kernels/cuda/layer_norm_block.h"
#include "kernels/lab/lab.h"
#include "kernels/layer_norm.h"

namespace lowland::lab {

struct LayerNormRows {
  bf16* y;
  const bf16 *x, *w, *b;
  int N, C;
  static constexpr float kEps = 1e-5f;

  LL_HD float scaled(int64_t row, int c, float mean, float r) const {
    return at(w, c) * ((at(x, row + c) - mean) * r) + at(b, c);
  }
};

struct LayerNorm1ThreadPerRow {
  static constexpr int kThreads = 128;
  LayerNormRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    b.each([&](int t) {
      const int64_t n = b.index() * kThreads + t, row = n * a.C;
      if (n >= a.N) return;
      float sum = 0, squares = 0;
      for (int c = 0; c < a.C; ++c) sum += at(a.x, row + c);
      const float mean = sum / static_cast<float>(a.C);
      for (int c = 0; c < a.C; ++c) squares += (at(a.x, row + c) - mean) * (at(a.x, row + c) - mean);
      const float r = cuda::rsqrt_of(squares / static_cast<float>(a.C) + a.kEps);
      for (int c = 0; c < a.C; ++c) a.y[row + c] = bf16(a.scaled(row, c, mean, r));
    });
  }
};

struct LayerNorm2WarpPerRow {
  static constexpr int kThreads = 256;
  LayerNormRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    typename Block::template PerThread<float> sum, squares;
    const auto each_column = [&](int t, const auto& fn) {
      const int64_t n = b.index() * 8 + t / 32;
      for (int c = t % 32; c < a.C && n < a.N; c += 32) fn(n * a.C, c);
    };
    b.each([&](int t) {
      sum[t] = 0;
      each_column(t, [&](int64_t row, int c) { sum[t] += at(a.x, row + c); });
    });
    b.warp_sum(sum);
    b.each([&](int t) {
      const float mean = sum[t] / static_cast<float>(a.C);
      squares[t] = 0;
      each_column(t, [&](int64_t row, int c) { squares[t] += (at(a.x, row + c) - mean) * (at(a.x, row + c) - mean); });
    });
    b.warp_sum(squares);
    b.each([&](int t) {
      const float mean = sum[t] / static_cast<float>(a.C);
      const float r = cuda::rsqrt_of(squares[t] / static_cast<float>(a.C) + a.kEps);
      each_column(t, [&](int64_t row, int c) { a.y[row + c] = bf16(a.scaled(row, c, mean, r)); });
    });
  }
};

// One sweep for both moments: faster than two, and wrong in the last digits where the mean is large.
struct LayerNorm3SquaresAtOnce {
  static constexpr int kThreads = 256;
  LayerNormRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    typename Block::template PerThread<float> sum, squares;
    const auto each_chunk = [&](int t, const auto& fn) {
      const int64_t n = b.index() * 8 + t / 32;
      for (int c = t % 32 * 8; c < a.C && n < a.N; c += 256) fn(n * a.C + c, c);
    };
    b.each([&](int t) {
      sum[t] = squares[t] = 0;
      each_chunk(t, [&](int64_t place, int) {
        const auto part = cuda::load_chunk<8>(a.x + place);
        LL_UNROLL
        for (int j = 0; j < 8; ++j) {
          sum[t] += part[j];
          squares[t] += part[j] * part[j];
        }
      });
    });
    b.warp_sum(sum);
    b.warp_sum(squares);
    b.each([&](int t) {
      const float mean = sum[t] / static_cast<float>(a.C);
      const float r = cuda::rsqrt_of(squares[t] / static_cast<float>(a.C) - mean * mean + a.kEps);
      each_chunk(t, [&](int64_t place, int c) {
        const auto part = cuda::load_chunk<8>(a.x + place), scale = cuda::load_chunk<8>(a.w + c);
        const auto shift = cuda::load_chunk<8>(a.b + c);
        cuda::store_each<8>(a.y + place, [&](int j) { return scale[j] * ((part[j] - mean) * r) + shift[j]; });
      });
    });
  }
};

struct LayerNorm4Engine {
  using Plan = cuda::RowPlan<bf16, 8, 3, cuda::kWarp>;  // of the engine's, the one for 264 to 768 columns
  static constexpr int kThreads = Plan::kThreads;
  LayerNormForward<bf16> a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const { cuda::layer_norm_forward_rows<Plan>(b, a); }
};

template <class Lab> void layer_norm_forward(Lab& lab, int N, int C) {
  const int64_t size = int64_t{N} * C;
  Experiment e{.op = "layer_norm forward",
               .shape = std::to_string(N) + " x " + std::to_string(C) + " bf16",
               .bytes = 4.0 * static_cast<double>(size),
               .tolerance = 1.0 / 250};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  constexpr auto kEps = static_cast<double>(LayerNormRows::kEps);
  auto x = random_values<bf16>(size, 1);
  for (bf16& v : x) v = bf16(static_cast<float>(v) + 8.0f);
  const auto w = random_values<bf16>(C, 2), b = random_values<bf16>(C, 3);
  const auto xr = to_real<Real>(x), wr = to_real<Real>(w), br = to_real<Real>(b);
  std::vector<Real> want(x.size());
  cpu_v3::layer_norm_forward<Real>(lab.cpu(),
                                   {want.data(), nullptr, nullptr, xr.data(), wr.data(), br.data(), N, C, kEps});
  const typename Lab::template Array<bf16> gx(x), gw(w), gb(b);
  typename Lab::template Array<bf16> y(size);
  const LayerNormRows rows{y.data(), gx.data(), gw.data(), gb.data(), N, C};
  const LayerNormForward<bf16> engine{y.data(), nullptr, nullptr, gx.data(), gw.data(), gb.data(), N, C, kEps};
  e.prepare = [&] { y.poison(); };
  e.error = [&] { return largest_error(y.download(), want); };
  e.versions = {{"1 thread per row", [&] { lab.launch(blocks_of(N, 128), 0, LayerNorm1ThreadPerRow{rows}); }},
                {"2 warp per row, shuffles", [&] { lab.launch(blocks_of(N, 8), 0, LayerNorm2WarpPerRow{rows}); }},
                {"3 16-byte loads, both moments in one sweep",
                 [&] { lab.launch(blocks_of(N, 8), 0, LayerNorm3SquaresAtOnce{rows}); }},
                {"4 row in registers, two looks (the engine's)", [&] {
                   if constexpr (Lab::kDevice)
                     cuda::layer_norm_forward<bf16>(lab.gpu(), engine);
                   else
                     lab.launch(blocks_of(N, LayerNorm4Engine::Plan::kRows), 0, LayerNorm4Engine{engine});
                 }}};
  lab.measure(e);
}

template <class Lab> void layer_norm_forward_versions(Lab& lab) {
  for (const int C : {768, 1024, 4096}) layer_norm_forward(lab, static_cast<int>(lab.rows_for(4.0 * C)), C);
  if constexpr (!Lab::kDevice) layer_norm_forward(lab, 37, 264);
}

}  // namespace lowland::lab

// rms_norm backward with dw (contract: kernels/rms_norm.h), bf16.
#pragma once
#include "kernels/lab/rms_norm/forward.h"

namespace lowland::lab {

struct NormGradientRows {
  bf16* dx;
  float* dw;
  const bf16 *dy, *x, *w;
  const float* rstd;
  int N, C;
};

struct RmsNormDx1ThreadPerRow {
  static constexpr int kThreads = 128;
  NormGradientRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    b.each([&](int t) {
      const int64_t n = b.index() * kThreads + t;
      if (n >= a.N) return;
      float dot = 0;
      for (int c = 0; c < a.C; ++c) dot += at(a.w, c) * at(a.dy, n * a.C + c) * at(a.x, n * a.C + c);
      const float r = a.rstd[n], k = r * r * dot / static_cast<float>(a.C);
      for (int c = 0; c < a.C; ++c)
        a.dx[n * a.C + c] = bf16(r * (at(a.w, c) * at(a.dy, n * a.C + c) - at(a.x, n * a.C + c) * k));
    });
  }
};

// One thread adds up a whole column: C threads in all, and a GPU has two hundred thousand.
struct RmsNormDw1ThreadPerColumn {
  static constexpr int kThreads = 128;
  NormGradientRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    b.each([&](int t) {
      const int64_t c = b.index() * kThreads + t;
      if (c >= a.C) return;
      float sum = 0;
      for (int64_t n = 0; n < a.N; ++n) sum += at(a.dy, n * a.C + c) * at(a.x, n * a.C + c) * a.rstd[n];
      a.dw[c] += sum;
    });
  }
};

struct RmsNormDx2BlockPerRow {
  static constexpr int kThreads = 256;
  NormGradientRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    typename Block::template PerThread<float> dot;
    const int64_t row = b.index() * a.C;
    b.each([&](int t) {
      dot[t] = 0;
      for (int c = t; c < a.C; c += kThreads) dot[t] += at(a.w, c) * at(a.dy, row + c) * at(a.x, row + c);
    });
    const float r = a.rstd[b.index()], k = r * r * b.sum(dot) / static_cast<float>(a.C);
    b.each([&](int t) {
      for (int c = t; c < a.C; c += kThreads)
        a.dx[row + c] = bf16(r * (at(a.w, c) * at(a.dy, row + c) - at(a.x, row + c) * k));
    });
  }
};

// 32 columns a block, 32 threads a column; x and dy are read a second time. shared: 32 x 33 floats
struct RmsNormDw2BlockPerColumns {
  static constexpr int kThreads = 1024;
  NormGradientRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const {
    auto* sums = reinterpret_cast<float*>(shared);
    const int64_t first = b.index() * 32;
    b.each([&](int t) {
      const int lane = t % 32, group = t / 32;
      const int64_t c = first + lane;
      float sum = 0;
      for (int64_t n = group; n < a.N && c < a.C; n += 32)
        sum += at(a.dy, n * a.C + c) * at(a.x, n * a.C + c) * a.rstd[n];
      sums[group * 33 + lane] = sum;
    });
    b.sync();
    b.each([&](int t) {
      if (t >= 32 || first + t >= a.C) return;
      float sum = sums[t];
      for (int g = 1; g < 32; ++g) sum += sums[g * 33 + t];
      a.dw[first + t] += sum;
    });
  }
};

struct RmsNorm3EngineRows {
  using Plan = RmsNorm5Engine::Plan;
  static constexpr int kThreads = Plan::kThreads;
  cuda::RmsNormBackward<bf16> a;
  cuda::PartialSums<float> to;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const {
    cuda::rms_norm_backward_rows<Plan, true>(b, reinterpret_cast<float*>(shared), a, to);
  }
};
struct RmsNorm3EngineSums {
  static constexpr int kThreads = cuda::kAddThreads;
  cuda::AddPartial<float, 1> a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const {
    cuda::add_partial(b, reinterpret_cast<float*>(shared), a);
  }
};

template <class Lab> void rms_norm_backward_engine(Lab& lab, const NormGradientRows& a) {
  if constexpr (Lab::kDevice) {
    cuda::rms_norm_backward<bf16>(lab.gpu(), a.dx, a.dw, a.dy, a.x, a.w, a.rstd, a.N, a.C);
  } else {
    const int64_t rows = cuda::rows_per_block(a.N, RmsNorm3EngineRows::Plan::kRows), blocks = blocks_of(a.N, rows);
    const typename Lab::template Array<float> partial(blocks * a.C);
    lab.launch(blocks, 4 * a.C,
               RmsNorm3EngineRows{{a.dx, a.dw, a.dy, a.x, a.w, a.rstd, a.N, a.C}, {partial.data(), rows}});
    lab.launch(blocks_of(a.C, cuda::kWarp), 4 * cuda::kAddThreads,
               RmsNorm3EngineSums{{{a.dw}, partial.data(), blocks, a.C}});
  }
}

template <class Lab> void rms_norm_backward(Lab& lab, int N, int C) {
  const int64_t size = int64_t{N} * C;
  Experiment e{.op = "rms_norm backward",
               .shape = std::to_string(N) + " x " + std::to_string(C) + " bf16",
               .bytes = 6.0 * static_cast<double>(size),
               .tolerance = 1.0 / 250};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  const auto x = random_values<bf16>(size, 1), w = random_values<bf16>(C, 2), dy = random_values<bf16>(size, 3);
  const auto xr = to_real<Real>(x), wr = to_real<Real>(w);
  std::vector<Real> y(x.size()), rstd(N), want_dx(x.size()), want_dw(w.size(), Real(0));
  cpu_v3::rms_norm_forward<Real>(lab.cpu(), y.data(), rstd.data(), xr.data(), wr.data(), N, C, kRmsEps);
  cpu_v3::rms_norm_backward<Real>(lab.cpu(), want_dx.data(), want_dw.data(), to_real<Real>(dy).data(), xr.data(),
                                  wr.data(), rstd.data(), N, C);
  const typename Lab::template Array<bf16> gx(x), gw(w), gdy(dy);
  const typename Lab::template Array<float> r(std::vector<float>(rstd.begin(), rstd.end()));
  typename Lab::template Array<bf16> dx(size);
  typename Lab::template Array<float> dw(C);
  const NormGradientRows rows{dx.data(), dw.data(), gdy.data(), gx.data(), gw.data(), r.data(), N, C};
  e.prepare = [&] {
    dx.poison();
    dw.clear();
  };
  e.error = [&] {  // dw is a sum of N terms: its error counts against the size of such a sum
    return std::max(largest_error(dx.download(), want_dx), largest_error(dw.download(), want_dw) / 10);
  };
  e.versions = {{"1 thread per row, thread per column",
                 [&] {
                   lab.launch(blocks_of(N, 128), 0, RmsNormDx1ThreadPerRow{rows});
                   lab.launch(blocks_of(C, 128), 0, RmsNormDw1ThreadPerColumn{rows});
                 }},
                {"2 block per row, block per 32 columns",
                 [&] {
                   lab.launch(N, 0, RmsNormDx2BlockPerRow{rows});
                   lab.launch(blocks_of(C, 32), 4 * 32 * 33, RmsNormDw2BlockPerColumns{rows});
                 }},
                {"3 one read, sums in registers (the engine's)", [&] { rms_norm_backward_engine(lab, rows); }}};
  lab.measure(e);
}

template <class Lab> void rms_norm_backward_versions(Lab& lab) {
  for (const int C : {1024, 4096}) rms_norm_backward(lab, static_cast<int>(lab.rows_for(6.0 * C)), C);
  if constexpr (!Lab::kDevice) rms_norm_backward(lab, 37, 264);
}

}  // namespace lowland::lab

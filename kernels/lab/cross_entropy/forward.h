// cross_entropy forward, the log-sum-exp of each row (contract: kernels/cross_entropy.h), bf16. A row of an odd
// vocabulary, as RoBERTa's 50265, stands at any multiple of two bytes.
#pragma once
#include "kernels/cross_entropy.h"
#include "kernels/cuda/cross_entropy_block.h"
#include "kernels/lab/lab.h"

namespace lowland::lab {

inline constexpr float kLowestLogit = -3.0e38f;

struct LogitRows {
  float* lse;
  const bf16* x;
  int N, V;
};

struct Lse1ThreadPerRow {
  static constexpr int kThreads = 32;
  LogitRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    b.each([&](int t) {
      const int64_t n = b.index() * kThreads + t;
      if (n >= a.N) return;
      float top = kLowestLogit, sum = 0;
      for (int v = 0; v < a.V; ++v) top = fmaxf(top, at(a.x, n * a.V + v));
      for (int v = 0; v < a.V; ++v) sum += expf(at(a.x, n * a.V + v) - top);
      a.lse[n] = top + logf(sum);
    });
  }
};

// Two sweeps: a row of 100 KB is past the L1 when the second begins.
struct Lse2BlockPerRow {
  static constexpr int kThreads = 512;
  LogitRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    typename Block::template PerThread<float> top, sum;
    const bf16* row = a.x + b.index() * a.V;
    b.each([&](int t) {
      top[t] = kLowestLogit;
      for (int v = t; v < a.V; v += kThreads) top[t] = fmaxf(top[t], at(row, v));
    });
    const float highest = b.max(top);
    b.each([&](int t) {
      sum[t] = 0;
      for (int v = t; v < a.V; v += kThreads) sum[t] += expf(at(row, v) - highest);
    });
    const float total = b.sum(sum);
    b.each([&](int t) {
      if (t == 0) a.lse[b.index()] = highest + logf(total);
    });
  }
};

// One sweep: the sum is relative to the largest value so far.
struct Lse3Online {
  static constexpr int kThreads = 512;
  LogitRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    typename Block::template PerThread<float> own, top, sum;
    const bf16* row = a.x + b.index() * a.V;
    b.each([&](int t) {
      float highest = kLowestLogit, total = 0;
      for (int v = t; v < a.V; v += kThreads) {
        const float value = at(row, v);
        if (value > highest) {
          total *= cuda::exp_of<true>(highest - value);
          highest = value;
        }
        total += cuda::exp_of<true>(value - highest);
      }
      own[t] = top[t] = highest;
      sum[t] = total;
    });
    const float highest = b.max(top);
    b.each([&](int t) { sum[t] *= cuda::exp_of<true>(own[t] - highest); });
    const float total = b.sum(sum);
    b.each([&](int t) {
      if (t == 0) a.lse[b.index()] = highest + logf(total);
    });
  }
};

struct Lse4EngineRow {
  static constexpr int kThreads = 512;
  cuda::CrossEntropyForward<bf16> a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const { cuda::cross_entropy_forward_row(b, a); }
};
struct Lse4EngineLoss {
  static constexpr int kThreads = 1024;
  float* loss;
  const double* row_loss;
  int64_t N;
  double scale;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    cuda::cross_entropy_loss(b, loss, row_loss, N, scale);
  }
};

inline std::vector<int32_t> lab_targets(int N, int V) {
  std::vector<int32_t> target(N);
  for (int n = 0; n < N; ++n) target[n] = static_cast<int32_t>(n * 7919LL % V);
  return target;
}

template <class Lab> void cross_entropy_forward(Lab& lab, int N, int V) {
  const int64_t size = int64_t{N} * V;
  Experiment e{.op = "cross_entropy forward",
               .shape = std::to_string(N) + " x " + std::to_string(V) + " bf16",
               .bytes = 2.0 * static_cast<double>(size),
               .tolerance = 1e-5};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  const auto x = random_values<bf16>(size, 1, 3.0f);
  const std::vector<int32_t> target = lab_targets(N, V);
  const CrossEntropyShape shape{N, V, -100, 0, 1.0 / N};
  std::vector<Real> want(N);
  Real want_loss = 0;
  cpu_v3::cross_entropy_forward<Real>(lab.cpu(), &want_loss, want.data(), to_real<Real>(x).data(), target.data(),
                                      shape);
  const typename Lab::template Array<bf16> gx(x);
  const typename Lab::template Array<int32_t> gt(target);
  typename Lab::template Array<float> lse(N), loss(1);
  const typename Lab::template Array<double> row_loss(N);
  const LogitRows rows{lse.data(), gx.data(), N, V};
  e.prepare = [&] { lse.poison(); };
  e.error = [&] { return largest_error(lse.download(), want); };
  e.versions = {{"1 thread per row", [&] { lab.launch(blocks_of(N, 32), 0, Lse1ThreadPerRow{rows}); }},
                {"2 block per row, two sweeps", [&] { lab.launch(N, 0, Lse2BlockPerRow{rows}); }},
                {"3 online, one sweep", [&] { lab.launch(N, 0, Lse3Online{rows}); }},
                {"4 16-byte loads, and the loss (the engine's)", [&] {
                   if constexpr (Lab::kDevice) {
                     cuda::cross_entropy_forward<bf16>(lab.gpu(), loss.data(), lse.data(), gx.data(), gt.data(), shape);
                   } else {
                     lab.launch(N, 0, Lse4EngineRow{{lse.data(), row_loss.data(), gx.data(), gt.data(), shape}});
                     lab.launch(1, 0, Lse4EngineLoss{loss.data(), row_loss.data(), N, shape.scale});
                   }
                 }}};
  lab.measure(e);
}

template <class Lab> void cross_entropy_forward_versions(Lab& lab) {
  for (const int V : {50265, 128256}) cross_entropy_forward(lab, static_cast<int>(lab.rows_for(2.0 * V)), V);
  if constexpr (!Lab::kDevice) cross_entropy_forward(lab, 9, 5003);
}

}  // namespace lowland::lab

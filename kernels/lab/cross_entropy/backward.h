// cross_entropy backward (contract: kernels/cross_entropy.h), bf16.
#pragma once
#include "kernels/lab/cross_entropy/forward.h"

namespace lowland::lab {

struct LogitGradient {
  bf16* dx;
  const float* dloss;
  const bf16* x;
  const int32_t* target;
  const float* lse;
  int N, V;
};

struct SoftmaxGradient1ThreadPerElement {
  static constexpr int kThreads = 256;
  LogitGradient a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    b.each([&](int t) {
      const int64_t i = b.index() * kThreads + t;
      if (i >= int64_t{a.N} * a.V) return;
      const int64_t row = i / a.V, v = i % a.V;  // 64-bit divisions: some forty instructions each
      const float p = expf(at(a.x, i) - a.lse[row]);
      a.dx[i] = bf16(*a.dloss * (v == a.target[row] ? p - 1.0f : p));
    });
  }
};

struct SoftmaxGradient2BlockPerRow {
  static constexpr int kThreads = 512;
  LogitGradient a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    const int64_t n = b.index();
    const float g = *a.dloss, top = a.lse[n];
    b.each([&](int t) {
      for (int v = t; v < a.V; v += kThreads) {
        const float p = cuda::exp_of<true>(at(a.x, n * a.V + v) - top);
        a.dx[n * a.V + v] = bf16(g * (v == a.target[n] ? p - 1.0f : p));
      }
    });
  }
};

struct SoftmaxGradient3Engine {
  static constexpr int kThreads = 512;
  cuda::CrossEntropyBackward<bf16> a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const { cuda::cross_entropy_backward_row(b, a); }
};

template <class Lab> void cross_entropy_backward(Lab& lab, int N, int V) {
  const int64_t size = int64_t{N} * V;
  Experiment e{.op = "cross_entropy backward",
               .shape = std::to_string(N) + " x " + std::to_string(V) + " bf16",
               .bytes = 4.0 * static_cast<double>(size),
               .tolerance = 1.0 / 250};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  const auto x = random_values<bf16>(size, 1, 3.0f);
  const auto xr = to_real<Real>(x);
  const std::vector<int32_t> target = lab_targets(N, V);
  const CrossEntropyShape shape{N, V, -100, 0, 1.0};
  std::vector<Real> lse(N), want(x.size());
  Real loss = 0;
  const Real dloss = 1.5;
  cpu_v3::cross_entropy_forward<Real>(lab.cpu(), &loss, lse.data(), xr.data(), target.data(), shape);
  cpu_v3::cross_entropy_backward<Real>(lab.cpu(), want.data(), &dloss, xr.data(), target.data(), lse.data(), shape);
  const typename Lab::template Array<bf16> gx(x);
  const typename Lab::template Array<int32_t> gt(target);
  const typename Lab::template Array<float> gl(std::vector<float>(lse.begin(), lse.end()));
  const typename Lab::template Array<float> gd(std::vector<float>{1.5f});
  typename Lab::template Array<bf16> dx(size);
  const LogitGradient rows{dx.data(), gd.data(), gx.data(), gt.data(), gl.data(), N, V};
  e.prepare = [&] { dx.poison(); };
  e.error = [&] { return largest_error(dx.download(), want); };
  e.versions = {
      {"1 thread per element", [&] { lab.launch(blocks_of(size, 256), 0, SoftmaxGradient1ThreadPerElement{rows}); }},
      {"2 block per row", [&] { lab.launch(N, 0, SoftmaxGradient2BlockPerRow{rows}); }},
      {"3 16-byte loads and stores (the engine's)", [&] {
         if constexpr (Lab::kDevice)
           cuda::cross_entropy_backward<bf16>(lab.gpu(), dx.data(), gd.data(), gx.data(), gt.data(), gl.data(), shape);
         else
           lab.launch(N, 0, SoftmaxGradient3Engine{{dx.data(), gd.data(), gx.data(), gt.data(), gl.data(), shape}});
       }}};
  lab.measure(e);
}

template <class Lab> void cross_entropy_backward_versions(Lab& lab) {
  for (const int V : {50265, 128256}) cross_entropy_backward(lab, static_cast<int>(lab.rows_for(4.0 * V)), V);
  if constexpr (!Lab::kDevice) cross_entropy_backward(lab, 9, 5003);
}

}  // namespace lowland::lab

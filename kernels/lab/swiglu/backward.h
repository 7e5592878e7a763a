// swiglu backward (contract: kernels/swiglu.h), bf16.
#pragma once
#include "kernels/lab/swiglu/forward.h"

namespace lowland::lab {

struct GatedGradient {
  bf16* dx;  // (N, 2 F)
  const bf16 *dy, *x;
  int F;
  static constexpr int kThreads = 256;
  struct Row {
    float g, u, d, s;
  };
  template <bool kFast> LL_HD Row load(int64_t n, int f) const {
    const float g = at(x, n * 2 * F + f), u = at(x, n * 2 * F + F + f), d = at(dy, n * F + f);
    return {g, u, d, 1.0f / (1.0f + cuda::exp_of<kFast>(-g))};
  }
  LL_HD static bf16 of_gate(const Row& r) { return bf16(r.d * r.u * r.s * (1.0f + r.g * (1.0f - r.s))); }
  LL_HD static bf16 of_up(const Row& r) { return bf16(r.d * r.g * r.s); }
};

// The gradients of gate and of up by threads of their own: both read everything and take the sigmoid.
struct SwigluGradient1ThreadPerGradient {
  static constexpr int kThreads = GatedGradient::kThreads;
  GatedGradient a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    const int64_t across = (2 * a.F + kThreads - 1) / kThreads, n = b.index() / across;
    const int first = static_cast<int>(b.index() % across) * kThreads;
    b.each([&](int t) {
      const int c = first + t;
      if (c >= 2 * a.F) return;
      const auto row = a.load<false>(n, c % a.F);
      a.dx[n * 2 * a.F + c] = c < a.F ? a.of_gate(row) : a.of_up(row);
    });
  }
};

struct SwigluGradient2BothAtOnce {
  static constexpr int kThreads = GatedGradient::kThreads;
  GatedGradient a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    const int64_t across = (a.F + kThreads - 1) / kThreads, n = b.index() / across;
    const int first = static_cast<int>(b.index() % across) * kThreads;
    b.each([&](int t) {
      const int f = first + t;
      if (f >= a.F) return;
      const auto row = a.load<true>(n, f);
      a.dx[n * 2 * a.F + f] = a.of_gate(row);
      a.dx[n * 2 * a.F + a.F + f] = a.of_up(row);
    });
  }
};

struct SwigluGradient3Engine {
  static constexpr int kThreads = cuda::kTileThreads;
  bf16* dx;
  const bf16 *dy, *x;
  int64_t N, F;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    cuda::gated_backward_tile<8>(b, Silu<cuda::DeviceMath<bf16>>(), dx, dy, x, N, F);
  }
};

template <class Lab> void swiglu_backward(Lab& lab, int64_t N, int F) {
  const int64_t size = N * F;
  Experiment e{.op = "swiglu backward",
               .shape = std::to_string(N) + " x " + std::to_string(F) + " bf16",
               .bytes = 10.0 * static_cast<double>(size),
               .tolerance = 1.0 / 250};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  const auto x = random_values<bf16>(2 * size, 1, 2.0f), dy = random_values<bf16>(size, 2);
  std::vector<Real> want(x.size());
  cpu_v3::swiglu_backward<Real>(lab.cpu(), want.data(), to_real<Real>(dy).data(), to_real<Real>(x).data(), N, F);
  const typename Lab::template Array<bf16> gx(x), gd(dy);
  typename Lab::template Array<bf16> dx(2 * size);
  const GatedGradient rows{dx.data(), gd.data(), gx.data(), F};
  e.prepare = [&] { dx.poison(); };
  e.error = [&] { return largest_error(dx.download(), want); };
  e.versions = {
      {"1 thread per gradient",
       [&] { lab.launch(N * blocks_of(2 * F, 256), 0, SwigluGradient1ThreadPerGradient{rows}); }},
      {"2 both gradients by one thread",
       [&] { lab.launch(N * blocks_of(F, 256), 0, SwigluGradient2BothAtOnce{rows}); }},
      {"3 16 bytes of four rows (the engine's)", [&] {
         if constexpr (Lab::kDevice)
           cuda::swiglu_backward<bf16>(lab.gpu(), dx.data(), gd.data(), gx.data(), N, F);
         else
           lab.launch(cuda::tile_blocks<8>(N, F), 0, SwigluGradient3Engine{dx.data(), gd.data(), gx.data(), N, F});
       }}};
  lab.measure(e);
}

template <class Lab> void swiglu_backward_versions(Lab& lab) {
  for (const int F : {8192, 14336}) swiglu_backward(lab, std::min<int64_t>(lab.rows_for(10.0 * F), 65535), F);
  if constexpr (!Lab::kDevice) swiglu_backward(lab, 37, 264);
}

}  // namespace lowland::lab

// swiglu forward (contract: kernels/swiglu.h), bf16.
#pragma once
#include "kernels/cuda/gated_block.h"
#include "kernels/lab/lab.h"
#include "kernels/swiglu.h"

namespace lowland::lab {

// 256 columns of one row a block.
struct GatedRows {
  bf16* y;
  const bf16* x;  // (N, 2 F)
  int F;
  static constexpr int kThreads = 256;
  LL_HD int64_t across() const { return (F + kThreads - 1) / kThreads; }
  // fn(n, f) for the block's threads.
  template <class Block, class F2> LL_HD void each(Block& b, const F2& fn) const {
    const int64_t n = b.index() / across();
    const int first = static_cast<int>(b.index() % across()) * kThreads;
    b.each([&](int t) {
      if (first + t < F) fn(n, first + t);
    });
  }
};

struct Swiglu1GateToFront {
  static constexpr int kThreads = GatedRows::kThreads;
  GatedRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    a.each(b, [&](int64_t n, int f) { a.y[n * a.F + f] = a.x[n * 2 * a.F + f]; });
  }
};
struct Swiglu1Silu {
  static constexpr int kThreads = GatedRows::kThreads;
  GatedRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    a.each(b, [&](int64_t n, int f) {
      bf16& y = a.y[n * a.F + f];
      y = bf16(Silu<cuda::DeviceMath<bf16>>().value(static_cast<float>(y)));
    });
  }
};
struct Swiglu1TimesUp {
  static constexpr int kThreads = GatedRows::kThreads;
  GatedRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    a.each(b,
           [&](int64_t n, int f) { a.y[n * a.F + f] = bf16(at(a.y, n * a.F + f) * at(a.x, n * 2 * a.F + a.F + f)); });
  }
};

// A thread has two loads of two bytes in flight: the memory waits for the threads.
struct Swiglu2ThreadPerElement {
  static constexpr int kThreads = GatedRows::kThreads;
  GatedRows a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    a.each(b, [&](int64_t n, int f) {
      const bf16* row = a.x + n * 2 * a.F;
      const float g = at(row, f);
      a.y[n * a.F + f] = bf16(g / (1.0f + cuda::exp_of<true>(-g)) * at(row, a.F + f));
    });
  }
};

struct Swiglu3Engine {
  static constexpr int kThreads = cuda::kTileThreads;
  bf16* y;
  const bf16* x;
  int64_t N, F;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    cuda::gated_forward_tile<8>(b, Silu<cuda::DeviceMath<bf16>>(), y, x, N, F);
  }
};

template <class Lab> void swiglu_forward(Lab& lab, int64_t N, int F) {
  const int64_t size = N * F;
  Experiment e{.op = "swiglu forward",
               .shape = std::to_string(N) + " x " + std::to_string(F) + " bf16",
               .bytes = 6.0 * static_cast<double>(size),
               .tolerance = 1.0 / 125};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  const auto x = random_values<bf16>(2 * size, 1, 2.0f);
  std::vector<Real> want(size);
  cpu_v3::swiglu_forward<Real>(lab.cpu(), want.data(), to_real<Real>(x).data(), N, F);
  const typename Lab::template Array<bf16> gx(x);
  typename Lab::template Array<bf16> y(size);
  const GatedRows rows{y.data(), gx.data(), F};
  const int64_t blocks = N * rows.across();
  e.prepare = [&] { y.poison(); };
  e.error = [&] { return largest_error(y.download(), want); };
  e.versions = {{"1 silu, then times up: rounded twice",
                 [&] {
                   lab.launch(blocks, 0, Swiglu1GateToFront{rows});
                   lab.launch(blocks, 0, Swiglu1Silu{rows});
                   lab.launch(blocks, 0, Swiglu1TimesUp{rows});
                 }},
                {"2 one pass, thread per element", [&] { lab.launch(blocks, 0, Swiglu2ThreadPerElement{rows}); }},
                {"3 16 bytes of four rows (the engine's)", [&] {
                   if constexpr (Lab::kDevice)
                     cuda::swiglu_forward<bf16>(lab.gpu(), y.data(), gx.data(), N, F);
                   else
                     lab.launch(cuda::tile_blocks<8>(N, F), 0, Swiglu3Engine{y.data(), gx.data(), N, F});
                 }}};
  lab.measure(e);
}

template <class Lab> void swiglu_forward_versions(Lab& lab) {
  for (const int F : {8192, 14336})  // Llama-3.2-1B, 3.1-8B
    swiglu_forward(lab, std::min<int64_t>(lab.rows_for(6.0 * F), 65535), F);
  if constexpr (!Lab::kDevice) swiglu_forward(lab, 37, 264);
}

}  // namespace lowland::lab

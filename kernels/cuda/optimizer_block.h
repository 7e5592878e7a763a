// A block's part of kernels/adamw.h and kernels/sgd.h. Blocks stride over tiles of the arena; what all elements share
// is computed once a block, in f64, by its first thread.
#pragma once
#include <cmath>

#include "kernels/adamw.h"
#include "kernels/cuda/chunk.h"
#include "kernels/sgd.h"

namespace lowland::cuda {

inline constexpr int kOptimizerThreads = 256;
template <int W> inline constexpr int64_t kOptimizerTile = int64_t{kOptimizerThreads} * W;

template <class T> struct AdamWFactors { T keep, scale, rate, correct, beta1, beta2, rest1, rest2, eps; };

template <class T> LL_HD AdamWFactors<T> adamw_factors(const AdamWOptions& o, const StepScalars& s) {
  const double t = static_cast<double>(s.t);
  return {static_cast<T>(1 - s.lr * o.weight_decay),
          static_cast<T>(s.clip_scale),
          static_cast<T>(s.lr / (1 - pow(o.beta1, t))),
          static_cast<T>(1 / sqrt(1 - pow(o.beta2, t))),
          static_cast<T>(o.beta1),
          static_cast<T>(o.beta2),
          static_cast<T>(1 - o.beta1),
          static_cast<T>(1 - o.beta2),
          static_cast<T>(o.eps)};
}

LL_HD inline float sqrt_of(float x) { return sqrtf(x); }
LL_HD inline double sqrt_of(double x) { return sqrt(x); }

template <class T> LL_HD void adamw_element(T& p, T& m, T& v, T g, bool decays, const AdamWFactors<T>& f) {
  const T gi = f.scale * g;
  m = f.beta1 * m + f.rest1 * gi;
  v = f.beta2 * v + f.rest2 * gi * gi;
  p = (decays ? f.keep : T(1)) * p - f.rate * m / (sqrt_of(v) * f.correct + f.eps);
}

// shared: one AdamWFactors<T>.
template <int W, class Block, class T>
LL_HD void adamw_tiles(Block& b, AdamWFactors<T>* shared, T* p, T* m, T* v, const T* g, int64_t n,
                       const AdamWOptions& o, const StepScalars* s) {
  if (s->finite == 0) return;
  b.each([&](int t) {
    if (t == 0) *shared = adamw_factors<T>(o, *s);
  });
  b.sync();
  b.each([&](int t) {
    const AdamWFactors<T> f = *shared;
    for (int64_t i = b.index() * kOptimizerTile<W> + int64_t{t} * W; i < n; i += b.blocks() * kOptimizerTile<W>) {
      if (i + W <= n) {
        Chunk<T, W> cp = load_chunk<W>(p + i), cm = load_chunk<W>(m + i), cv = load_chunk<W>(v + i);
        const Chunk<T, W> cg = load_chunk<W>(g + i);
        LL_UNROLL
        for (int j = 0; j < W; ++j) adamw_element(cp.v[j], cm.v[j], cv.v[j], cg.v[j], i + j < o.decayed, f);
        store_chunk(m + i, cm);
        store_chunk(v + i, cv);
        store_chunk(p + i, cp);
      } else {
        for (int64_t j = i; j < n; ++j) adamw_element(p[j], m[j], v[j], g[j], j < o.decayed, f);
      }
    }
  });
}

template <class T> struct SgdFactors { T lr, momentum, decay, scale; };

template <class T> LL_HD void sgd_element(T& p, T* d, T g, bool decays, const SgdFactors<T>& f) {
  const T step = f.scale * g + (decays ? f.decay : T(0)) * p;
  if (d == nullptr) {
    p -= f.lr * step;
  } else {
    *d = f.momentum * *d + step;
    p -= f.lr * *d;
  }
}

template <int W, class Block, class T>
LL_HD void sgd_tiles(Block& b, T* p, T* d, const T* g, int64_t n, const SgdOptions& o, const StepScalars* s) {
  if (s->finite == 0) return;
  b.each([&](int t) {
    const SgdFactors<T> f{static_cast<T>(s->lr), static_cast<T>(o.momentum), static_cast<T>(o.weight_decay),
                          static_cast<T>(s->clip_scale)};
    for (int64_t i = b.index() * kOptimizerTile<W> + int64_t{t} * W; i < n; i += b.blocks() * kOptimizerTile<W>) {
      if (i + W <= n) {
        Chunk<T, W> cp = load_chunk<W>(p + i), cd = {};
        const Chunk<T, W> cg = load_chunk<W>(g + i);
        if (d != nullptr) cd = load_chunk<W>(d + i);
        LL_UNROLL
        for (int j = 0; j < W; ++j)
          sgd_element(cp.v[j], d == nullptr ? nullptr : cd.v + j, cg.v[j], i + j < o.decayed, f);
        if (d != nullptr) store_chunk(d + i, cd);
        store_chunk(p + i, cp);
      } else {
        for (int64_t j = i; j < n; ++j) sgd_element(p[j], d == nullptr ? nullptr : d + j, g[j], j < o.decayed, f);
      }
    }
  });
}

}  // namespace lowland::cuda

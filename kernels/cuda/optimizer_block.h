// A block's part of kernels/adamw.h and kernels/sgd.h. Blocks stride over tiles of the arena; a thread meets the groups
// in order. What the elements of a group share is computed in f64; for AdamW once a block, by a thread for each group.
#pragma once
#include <cmath>

#include "kernels/adamw.h"
#include "kernels/cuda/chunk.h"
#include "kernels/sgd.h"

namespace lowland::cuda {

inline constexpr int kOptimizerThreads = 256;
template <int W> inline constexpr int64_t kOptimizerTile = int64_t{kOptimizerThreads} * W;

template <class T> struct AdamWFactors {
  int64_t end;  // of the group
  T keep, scale, rate, correct, beta1, beta2, rest1, rest2, eps;
};

template <class T>
LL_HD AdamWFactors<T> adamw_factors(const AdamWOptions& o, const OptimizerGroup& group, const StepScalars& s) {
  const double t = static_cast<double>(s.t), lr = s.lr * group.lr_factor;
  return {group.end,
          static_cast<T>(1 - lr * group.weight_decay),
          static_cast<T>(s.clip_scale),
          static_cast<T>(lr / (1 - pow(o.beta1, t))),
          static_cast<T>(1 / sqrt(1 - pow(o.beta2, t))),
          static_cast<T>(o.beta1),
          static_cast<T>(o.beta2),
          static_cast<T>(1 - o.beta1),
          static_cast<T>(1 - o.beta2),
          static_cast<T>(o.eps)};
}

LL_HD inline float sqrt_of(float x) { return sqrtf(x); }
LL_HD inline double sqrt_of(double x) { return sqrt(x); }

template <class T> LL_HD void adamw_element(T& p, T& m, T& v, T g, const AdamWFactors<T>& f) {
  const T gi = f.scale * g;
  m = f.beta1 * m + f.rest1 * gi;
  v = f.beta2 * v + f.rest2 * gi * gi;
  p = f.keep * p - f.rate * m / (sqrt_of(v) * f.correct + f.eps);
}

// shared: kMostGroups of AdamWFactors<T>.
template <int W, class Block, class T>
LL_HD void adamw_tiles(Block& b, AdamWFactors<T>* shared, T* p, T* m, T* v, const T* g, const AdamWOptions& o,
                       const StepScalars* s) {
  if (s->finite == 0) return;
  b.each([&](int t) {
    if (t < o.groups.count) shared[t] = adamw_factors<T>(o, o.groups.group[t], *s);
  });
  b.sync();
  const int64_t n = o.groups.size();
  b.each([&](int t) {
    int k = 0;
    AdamWFactors<T> f = shared[0];
    for (int64_t i = b.index() * kOptimizerTile<W> + int64_t{t} * W; i < n; i += b.blocks() * kOptimizerTile<W>) {
      while (i >= f.end) f = shared[++k];
      if (i + W <= f.end) {
        Chunk<T, W> cp = load_chunk<W>(p + i), cm = load_chunk<W>(m + i), cv = load_chunk<W>(v + i);
        const Chunk<T, W> cg = load_chunk<W>(g + i);
        LL_UNROLL
        for (int j = 0; j < W; ++j) adamw_element(cp.v[j], cm.v[j], cv.v[j], cg.v[j], f);
        store_chunk(m + i, cm);
        store_chunk(v + i, cv);
        store_chunk(p + i, cp);
      } else {  // a group or the arena ends in this chunk
        for (int64_t j = i; j < i + W && j < n; ++j) {
          while (j >= f.end) f = shared[++k];
          adamw_element(p[j], m[j], v[j], g[j], f);
        }
      }
    }
  });
}

template <class T> struct SgdFactors {
  int64_t end;  // of the group
  T lr, momentum, decay, scale;
};

template <class T>
LL_HD SgdFactors<T> sgd_factors(const SgdOptions& o, const OptimizerGroup& group, const StepScalars& s) {
  return {group.end, static_cast<T>(s.lr * group.lr_factor), static_cast<T>(o.momentum),
          static_cast<T>(group.weight_decay), static_cast<T>(s.clip_scale)};
}

template <class T> LL_HD void sgd_element(T& p, T* d, T g, const SgdFactors<T>& f) {
  const T step = f.scale * g + f.decay * p;
  if (d == nullptr) {
    p -= f.lr * step;
  } else {
    *d = f.momentum * *d + step;
    p -= f.lr * *d;
  }
}

template <int W, class Block, class T>
LL_HD void sgd_tiles(Block& b, T* p, T* d, const T* g, const SgdOptions& o, const StepScalars* s) {
  if (s->finite == 0) return;
  const int64_t n = o.groups.size();
  b.each([&](int t) {
    int k = 0;
    SgdFactors<T> f = sgd_factors<T>(o, o.groups.group[0], *s);
    const auto reach = [&](int64_t i) {
      while (i >= f.end) f = sgd_factors<T>(o, o.groups.group[++k], *s);
    };
    for (int64_t i = b.index() * kOptimizerTile<W> + int64_t{t} * W; i < n; i += b.blocks() * kOptimizerTile<W>) {
      reach(i);
      if (i + W <= f.end) {
        Chunk<T, W> cp = load_chunk<W>(p + i), cd = {};
        const Chunk<T, W> cg = load_chunk<W>(g + i);
        if (d != nullptr) cd = load_chunk<W>(d + i);
        LL_UNROLL
        for (int j = 0; j < W; ++j) sgd_element(cp.v[j], d == nullptr ? nullptr : cd.v + j, cg.v[j], f);
        if (d != nullptr) store_chunk(d + i, cd);
        store_chunk(p + i, cp);
      } else {  // a group or the arena ends in this chunk
        for (int64_t j = i; j < i + W && j < n; ++j) {
          reach(j);
          sgd_element(p[j], d == nullptr ? nullptr : d + j, g[j], f);
        }
      }
    }
  });
}

}  // namespace lowland::cuda

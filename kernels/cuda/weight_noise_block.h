// Blocks of kernels/weight_noise.h: block i is row i in both.
#pragma once
#include "kernels/common/normal_pair.h"
#include "kernels/cuda/chunk.h"
#include "kernels/weight_noise.h"

namespace lowland::cuda {

inline constexpr int kNoiseThreads = 128;

template <class Block, class T>
LL_HD void row_length(Block& b, double* q, const T* w, const T* p, const T* bs, const double* K, const NoiseShape& d) {
  const int64_t n = b.index();
  typename Block::template PerThread<double> part;
  const auto real = [](T x) { return static_cast<double>(wide(x)); };
  b.each([&](int t) {
    double sum = 0;
    for (int64_t m = t; m < d.M; m += Block::kThreads) sum += real(w[n * d.M + m]) * real(w[n * d.M + m]);
    for (int64_t i = t; i < d.R; i += Block::kThreads) {
      const double bi = real(bs[n * d.R + i]);
      double own = 0;
      for (int64_t j = 0; j < d.R; ++j) own += K[i * d.R + j] * real(bs[n * d.R + j]);
      sum += 2 * d.scale * bi * real(p[i * d.n + n]) + d.scale * d.scale * bi * own;
    }
    part[t] = sum;
  });
  const double sum = b.sum(part);
  b.each([&](int t) {
    if (t == 0) q[n] = sqrt(sum > 0 ? sum : 0.0);
  });
}

template <class Block, class T>
LL_HD void noisy_row(Block& b, T* y, const T* w, const double* q, const double* rho, const NoiseShape& d,
                     const PhiloxSource& draws) {
  using A = acc_t<T>;
  const int64_t n = b.index();
  const PhiloxKey key = key_of(draws);
  const A deviation = static_cast<A>(*rho / sqrt(static_cast<double>(d.M)) * q[n]);
  b.each([&](int t) {
    for (int64_t block = t; block * 4 < d.M; block += Block::kThreads) {
      const PhiloxBlock v = philox(key, static_cast<uint32_t>(d.first_row + n), 0, static_cast<uint32_t>(block), 0);
      const lowland::LL_HD_NAMESPACE::NormalPair<A> front = lowland::LL_HD_NAMESPACE::normal_pair<A>(v.v[0], v.v[1]),
                                                    back = lowland::LL_HD_NAMESPACE::normal_pair<A>(v.v[2], v.v[3]);
      const A z[4] = {front.x, front.y, back.x, back.y};
      LL_UNROLL
      for (int k = 0; k < 4; ++k) {
        const int64_t m = block * 4 + k;
        if (m < d.M) y[n * d.M + m] = static_cast<T>(wide(w[n * d.M + m]) + deviation * z[k]);
      }
    }
  });
}

}  // namespace lowland::cuda

#include "kernels/weight_noise.h"

#include <cmath>

#include "kernels/common/normal_pair.h"
#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"
#include "kernels/cpu/philox_row.h"

namespace lowland::LL_CPU {
namespace {

// z[j], j in [0, count), of columns first + j of a row; first is a multiple of 4, count at most kDrawColumns / 2, and z
// has room for the next even number.
template <class T> void normals(T* z, const RowDraws& row, int64_t first, int64_t count) {
  alignas(64) uint16_t draws[kDrawColumns];
  alignas(64) uint32_t words[kDrawColumns / 2];
  draw_blocks(draws, row, static_cast<uint32_t>(first / 4), (count + 3) / 4);
  __builtin_memcpy(words, draws, sizeof words);
  const int64_t pairs = (count + 1) / 2;
#pragma omp simd
  for (int64_t i = 0; i < pairs; ++i) {
    const NormalPair<T> pair = normal_pair<T>(words[2 * i], words[2 * i + 1]);
    z[2 * i] = pair.x;
    z[2 * i + 1] = pair.y;
  }
}

}  // namespace

template <class T>
void row_lengths(Ctx& ctx, double* q, const T* w, const T* p, const T* b, const double* K, const NoiseShape& d) {
  parallel_for(ctx, d.n, row_grain(d.M + d.R * d.R), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T *row = w + n * d.M, *bn = b + n * d.R;
      double sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t m = 0; m < d.M; ++m) sum += real(row[m]) * real(row[m]);
      double cross = 0, own = 0;
      for (int64_t i = 0; i < d.R; ++i) {
        const double bi = real(bn[i]);
        cross += bi * real(p[i * d.n + n]);
        for (int64_t j = 0; j < d.R; ++j) own += bi * K[i * d.R + j] * real(bn[j]);
      }
      sum += 2 * d.scale * cross + d.scale * d.scale * own;
      q[n] = std::sqrt(sum > 0 ? sum : 0.0);
    }
  });
}

template <class T>
void weight_noise(Ctx& ctx, T* y, const T* w, const double* q, const double* rho, const NoiseShape& d,
                  const PhiloxSource& draws) {
  const PhiloxKey key = key_of(draws);
  const double share = *rho / std::sqrt(static_cast<double>(d.M));
  constexpr int64_t kColumns = kDrawColumns / 2;
  parallel_for(ctx, d.n, row_grain(16 * d.M), [&](int64_t begin, int64_t end) {
    using A = acc_t<T>;
    alignas(64) A z[kColumns + 2];
    for (int64_t n = begin; n < end; ++n) {
      const A deviation = static_cast<A>(share * q[n]);
      for (int64_t c = 0; c < d.M; c += kColumns) {
        const int64_t count = d.M - c < kColumns ? d.M - c : kColumns;
        normals(z, {key, static_cast<uint32_t>(d.first_row + n), 0}, c, count);
        const T* from = w + n * d.M + c;
        T* to = y + n * d.M + c;
        for (int64_t i = 0; i < count; ++i) to[i] = narrow<T>(wide(from[i]) + deviation * z[i]);
      }
    }
  });
}

LL_INSTANTIATE(row_lengths);
LL_INSTANTIATE(weight_noise);

}  // namespace lowland::LL_CPU

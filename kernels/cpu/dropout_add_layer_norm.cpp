#include "kernels/dropout_add_layer_norm.h"

#include "kernels/cpu/layer_norm_row.h"
#include "kernels/cpu/philox_row.h"
#include "kernels/cpu/row_blocks.h"

namespace lowland::LL_CPU {

template <class T> void dropout_add_layer_norm_forward(Ctx& ctx, const DropoutAddLayerNormForward<T>& a) {
  const int64_t C = a.C;
  const uint32_t threshold = drop_threshold(a.rows.p);
  const T scale = keep_scale<T>(a.rows.p), *w = a.w, *b = a.b;
  parallel_for(ctx, a.N, 16, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T *x = a.x + n * C, *residual = a.residual + n * C;
      T* y = a.y + n * C;
      T* h = a.h != nullptr ? a.h + n * C : y;  // z first, then its normalised form, in the same place
      if (a.rows.p > 0) {
        over_draws(draws_of(a.rows, n), 0, C, [&](int64_t at, int64_t count, const uint16_t* draws) {
          const uint32_t limit = threshold;  // local, so that no store to h can change it
          const T kept = scale;
#pragma omp simd
          for (int64_t i = 0; i < count; ++i)
            h[at + i] = residual[at + i] + x[at + i] * (draws[i] >= limit ? kept : T(0));
        });
      } else {
#pragma omp simd
        for (int64_t c = 0; c < C; ++c) h[c] = residual[c] + x[c];
      }
      const RowMoments<T> z = row_moments(h, C, static_cast<T>(a.eps));
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        const T normal = (h[c] - z.mean) * z.rstd;
        h[c] = normal;
        y[c] = w[c] * normal + b[c];
      }
      if (a.rstd != nullptr) a.rstd[n] = z.rstd;
    }
  });
}

template <class T> void dropout_add_layer_norm_backward(Ctx& ctx, const DropoutAddLayerNormBackward<T>& a) {
  const int64_t C = a.C;
  const uint32_t threshold = drop_threshold(a.rows.p);
  const T scale = keep_scale<T>(a.rows.p), *w = a.w;
  T* const sums[] = {a.dw, a.db};
  sum_rows_into_each(ctx, sums, a.N, C, [&](T* partial, int64_t n) {
    const T *dy = a.dy + n * C, *h = a.h + n * C;
    if (partial != nullptr) {
      T *dw = partial, *db = partial + C;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        dw[c] += dy[c] * h[c];
        db[c] += dy[c];
      }
    }
    if (a.dz == nullptr && a.dx == nullptr) return;
    const RowDots<T> mean = row_dots(dy, w, h, T(0), T(1), C);
    const T r = a.rstd[n];
    T* dz = a.dz != nullptr ? a.dz + n * C : a.dx + n * C;
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) dz[c] = r * (w[c] * dy[c] - mean.g - h[c] * mean.gh);
    if (a.dx == nullptr) return;
    T* dx = a.dx + n * C;
    over_draws(draws_of(a.rows, n), 0, C, [&](int64_t at, int64_t count, const uint16_t* draws) {
      const uint32_t limit = threshold;
      const T kept = scale;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) dx[at + i] = dz[at + i] * (draws[i] >= limit ? kept : T(0));
    });
  });
}

int64_t dropout_add_layer_norm_backward_scratch(int64_t N, int64_t C) { return row_sums_scratch(2, N, C); }

LL_INSTANTIATE(dropout_add_layer_norm_forward);
LL_INSTANTIATE(dropout_add_layer_norm_backward);

}  // namespace lowland::LL_CPU

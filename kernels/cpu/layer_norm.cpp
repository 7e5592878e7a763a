#include "kernels/layer_norm.h"

#include "kernels/cpu/layer_norm_row.h"
#include "kernels/cpu/row_blocks.h"

namespace lowland::LL_CPU {

template <class T> void layer_norm_forward(Ctx& ctx, const LayerNormForward<T>& a) {
  using A = acc_t<T>;
  parallel_for(ctx, a.N, row_grain(a.C), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T *x = a.x + n * a.C, *w = a.w, *b = a.b;
      T* y = a.y + n * a.C;
      const auto [mean, rstd] = row_moments(x, a.C, static_cast<A>(a.eps));
      const A m = mean, r = rstd;
#pragma omp simd
      for (int64_t c = 0; c < a.C; ++c) y[c] = narrow<T>(wide(w[c]) * ((wide(x[c]) - m) * r) + wide(b[c]));
      if (a.rstd == nullptr) continue;
      a.mean[n] = m;
      a.rstd[n] = r;
    }
  });
}

template <class T> void layer_norm_backward(Ctx& ctx, const LayerNormBackward<T>& a) {
  using A = acc_t<T>;
  const int64_t C = a.C;
  A* const sums[] = {a.dw, a.db};
  sum_rows_into_each(ctx, sums, a.N, C, [&](A* partial, int64_t n) {
    const T *dy = a.dy + n * C, *x = a.x + n * C, *w = a.w;
    const A m = a.mean[n], r = a.rstd[n];
    if (partial != nullptr) {
      A *dw = partial, *db = partial + C;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        dw[c] += wide(dy[c]) * ((wide(x[c]) - m) * r);
        db[c] += wide(dy[c]);
      }
    }
    if (a.dx == nullptr) return;
    const RowDots<A> mean = row_dots(dy, w, x, m, r, C);
    T* dx = a.dx + n * C;
#pragma omp simd
    for (int64_t c = 0; c < C; ++c)
      dx[c] = narrow<T>(r * (wide(w[c]) * wide(dy[c]) - mean.g - (wide(x[c]) - m) * r * mean.gh));
  });
}

int64_t layer_norm_backward_scratch(int64_t N, int64_t C) { return row_sums_scratch(2, N, C); }

LL_INSTANTIATE(layer_norm_forward);
LL_INSTANTIATE(layer_norm_backward);

}  // namespace lowland::LL_CPU

#include "kernels/add_layer_norm.h"

#include "kernels/cpu/layer_norm_row.h"
#include "kernels/cpu/row_blocks.h"
#include "kernels/layer_norm.h"

namespace lowland::LL_CPU {

template <class T> void add_layer_norm_forward(Ctx& ctx, const AddLayerNormForward<T>& a) {
  const int64_t C = a.C;
  parallel_for(ctx, a.N, row_grain(C), [&](int64_t begin, int64_t end) {
    Ctx one = ctx;
    one.threads = 1;
    for (int64_t n = begin; n < end; ++n) {
      const T *x = a.x + n * C, *residual = a.residual + n * C;
      T* z = a.z + n * C;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) z[c] = narrow<T>(wide(residual[c]) + wide(x[c]));
      const bool saves = a.rstd != nullptr;
      layer_norm_forward<T>(one, {.y = a.y + n * C,
                                  .mean = saves ? a.mean + n : nullptr,
                                  .rstd = saves ? a.rstd + n : nullptr,
                                  .x = z,
                                  .w = a.w,
                                  .b = a.b,
                                  .N = 1,
                                  .C = C,
                                  .eps = a.eps});
    }
  });
}

template <class T> void add_layer_norm_backward(Ctx& ctx, const AddLayerNormBackward<T>& a) {
  using A = acc_t<T>;
  const int64_t C = a.C;
  A* const sums[] = {a.dw, a.db};
  sum_rows_into_each(ctx, sums, a.N, C, [&](A* partial, int64_t n) {
    const T *dy = a.dy + n * C, *z = a.z + n * C, *w = a.w;
    const A m = a.mean[n], r = a.rstd[n];
    if (partial != nullptr) {
      A *dw = partial, *db = partial + C;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        dw[c] += wide(dy[c]) * ((wide(z[c]) - m) * r);
        db[c] += wide(dy[c]);
      }
    }
    if (a.dz == nullptr) return;
    const RowDots<A> mean = row_dots(dy, w, z, m, r, C);
    write_row(a.dz + n * C, C, a.adds,
              [=](int64_t c) { return r * (wide(w[c]) * wide(dy[c]) - mean.g - (wide(z[c]) - m) * r * mean.gh); });
  });
}

int64_t add_layer_norm_backward_scratch(int64_t N, int64_t C) { return row_sums_scratch(2, N, C); }

LL_INSTANTIATE(add_layer_norm_forward);
LL_INSTANTIATE(add_layer_norm_backward);

}  // namespace lowland::LL_CPU

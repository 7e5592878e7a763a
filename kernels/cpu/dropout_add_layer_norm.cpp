#include "kernels/dropout_add_layer_norm.h"

#include "kernels/cpu/layer_norm_row.h"
#include "kernels/cpu/philox_row.h"
#include "kernels/cpu/row_blocks.h"

namespace lowland::LL_CPU {

namespace {

// One row. z: its sum before the norm, where that is in the masters' type the place of h, whose columns take its own.
template <class T>
LL_INLINE void forward_row(const DropoutAddLayerNormForward<T>& a, int64_t n, acc_t<T>* z, uint32_t threshold,
                           acc_t<T> scale) {
  using A = acc_t<T>;
  const int64_t C = a.C;
  const T *x = a.x + n * C, *residual = a.residual + n * C, *w = a.w, *b = a.b;
  T* y = a.y + n * C;
  if (a.rows.p > 0) {
    over_draws(draws_of(a.rows, n), 0, C, [&](int64_t at, int64_t count, const uint16_t* draws) {
      const uint32_t limit = threshold;  // local, so that no store to z can change it
      const A kept = scale;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i)
        z[at + i] = wide(residual[at + i]) + wide(x[at + i]) * (draws[i] >= limit ? kept : A(0));
    });
  } else {
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) z[c] = wide(residual[c]) + wide(x[c]);
  }
  const RowMoments<A> of_z = row_moments(z, C, static_cast<A>(a.eps));
  if constexpr (std::is_same_v<T, A>) {
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      const A normal = (z[c] - of_z.mean) * of_z.rstd;
      z[c] = normal;
      y[c] = w[c] * normal + b[c];
    }
  } else {
    T* h = a.h != nullptr ? a.h + n * C : y;
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      const A normal = (z[c] - of_z.mean) * of_z.rstd;
      h[c] = narrow<T>(normal);
      y[c] = narrow<T>(wide(w[c]) * normal + wide(b[c]));
    }
  }
  if (a.rstd != nullptr) a.rstd[n] = of_z.rstd;
}

}  // namespace

template <class T> void dropout_add_layer_norm_forward(Ctx& ctx, const DropoutAddLayerNormForward<T>& a) {
  using A = acc_t<T>;
  const int64_t C = a.C;
  const uint32_t threshold = drop_threshold(a.rows.p);
  const A scale = keep_scale<A>(a.rows.p);
  constexpr int64_t kGrain = 16;
  if constexpr (std::is_same_v<T, A>) {
    parallel_for(ctx, a.N, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n)
        forward_row<T>(a, n, (a.h != nullptr ? a.h : a.y) + n * C, threshold, scale);
    });
  } else {
    const int64_t most = (a.N + kGrain - 1) / kGrain, slots = most < ctx.threads ? most : ctx.threads;
    Scratch scratch(ctx);
    A* z = scratch.array<A>(slots * C);
    parallel_for(ctx, slots, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slot = begin; slot < end; ++slot)
        for (int64_t n = a.N * slot / slots; n < a.N * (slot + 1) / slots; ++n)
          forward_row<T>(a, n, z + slot * C, threshold, scale);
    });
  }
}

template <class T> void dropout_add_layer_norm_backward(Ctx& ctx, const DropoutAddLayerNormBackward<T>& a) {
  const int64_t C = a.C;
  using A = acc_t<T>;
  const uint32_t threshold = drop_threshold(a.rows.p);
  const A scale = keep_scale<A>(a.rows.p);
  const T* w = a.w;
  A* const sums[] = {a.dw, a.db};
  sum_rows_into_each(ctx, sums, a.N, C, [&](A* partial, int64_t n) {
    const T *dy = a.dy + n * C, *h = a.h + n * C;
    if (partial != nullptr) {
      A *dw = partial, *db = partial + C;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        dw[c] += wide(dy[c]) * wide(h[c]);
        db[c] += wide(dy[c]);
      }
    }
    if (a.dz == nullptr && a.dx == nullptr) return;
    const RowDots<A> mean = row_dots(dy, w, h, A(0), A(1), C);
    const A r = a.rstd[n];
    T* dz = a.dz != nullptr ? a.dz + n * C : a.dx + n * C;
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) dz[c] = narrow<T>(r * (wide(w[c]) * wide(dy[c]) - mean.g - wide(h[c]) * mean.gh));
    if (a.dx == nullptr) return;
    T* dx = a.dx + n * C;
    over_draws(draws_of(a.rows, n), 0, C, [&](int64_t at, int64_t count, const uint16_t* draws) {
      const uint32_t limit = threshold;
      const A kept = scale;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) dx[at + i] = narrow<T>(wide(dz[at + i]) * (draws[i] >= limit ? kept : A(0)));
    });
  });
}

int64_t dropout_add_layer_norm_backward_scratch(int64_t N, int64_t C) { return row_sums_scratch(2, N, C); }

LL_INSTANTIATE(dropout_add_layer_norm_forward);
LL_INSTANTIATE(dropout_add_layer_norm_backward);

}  // namespace lowland::LL_CPU

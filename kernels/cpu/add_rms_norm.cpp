#include "kernels/add_rms_norm.h"

#include "kernels/cpu/rms_norm_row.h"
#include "kernels/cpu/row_blocks.h"
#include "kernels/rms_norm.h"

namespace lowland::LL_CPU {

template <class T> void add_rms_norm_forward(Ctx& ctx, const AddRmsNormForward<T>& a) {
  const int64_t C = a.C;
  parallel_for(ctx, a.N, row_grain(C), [&](int64_t begin, int64_t end) {
    Ctx one = ctx;
    one.threads = 1;
    for (int64_t n = begin; n < end; ++n) {
      const T *x = a.x + n * C, *residual = a.residual + n * C;
      T* z = a.z + n * C;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) z[c] = narrow<T>(wide(residual[c]) + wide(x[c]));
      rms_norm_forward<T>(one, a.y + n * C, a.rstd != nullptr ? a.rstd + n : nullptr, z, a.w, 1, C, a.eps);
    }
  });
}

template <class T> void add_rms_norm_backward(Ctx& ctx, const AddRmsNormBackward<T>& a) {
  using A = acc_t<T>;
  const int64_t C = a.C;
  sum_rows_into(ctx, a.dw, a.N, C, [&](A* partial, int64_t n) {
    const T *dy = a.dy + n * C, *z = a.z + n * C, *w = a.w;
    const A r = a.rstd[n];
    if (partial != nullptr) {
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) partial[c] += wide(dy[c]) * wide(z[c]) * r;
    }
    if (a.dz == nullptr) return;
    const A k = r * r * rms_norm_dot(w, dy, z, C) / A(C);
    write_row(a.dz + n * C, C, a.adds, [=](int64_t c) { return r * (wide(w[c]) * wide(dy[c]) - wide(z[c]) * k); });
  });
}

int64_t add_rms_norm_backward_scratch(int64_t N, int64_t C) { return row_sums_scratch(1, N, C); }

LL_INSTANTIATE(add_rms_norm_forward);
LL_INSTANTIATE(add_rms_norm_backward);

}  // namespace lowland::LL_CPU

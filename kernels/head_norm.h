// head_norm: rms_norm within the first heads of packed rows, in place or beside: the first QH of a row by one weight,
// the next KH by another (the queries and the keys of a packed q|k|v), each by offset + weight.
//   forward    r_nh = 1 / sqrt(mean_c(x_nhc^2) + eps)        y_nhc = (o + w_c) * x_nhc * r_nh        w = wq or wk
//   backward   g_nhc = (o + w_c) * dy_nhc
//              dx_nhc = r_nh * (g_nhc - x_nhc * r_nh^2 * mean_c(g_nhc * x_nhc))
//              dwq_c = sum_n sum_(h < QH) dy_nhc * x_nhc * r_nh             dwk_c likewise of the other heads
//   With one head as wide as a row: the norm by 1 + w of a Gemma block.
// shapes     x, y, dx, dy: N rows, `stride` elements apart, heads of HD adjacent columns each from column 0; the
//            columns behind the heads are not touched   wq, wk, dwq, dwk: (HD)   rstd: (N, QH + KH), saved for
//            backward; rstd, dwq and dwk in acc_t<T>
// writes     y =   rstd =   dx =   dwq +=   dwk +=   (rstd, dx, dwq, dwk may be null: not wanted; dx may equal dy;
//            wk may be null where KH is 0)
// numerics   as rms_norm; dwq and dwk summed over fixed blocks of rows; offset + weight in acc_t<T>
// REQUIRES   HD >= 1; stride >= (QH + KH) HD
// CUDA plan  as rms_norm, a head being a row
// paper      Henry et al. 2020, arXiv:2010.04245 (norms of queries and keys); Zhang & Sennrich 2019, arXiv:1910.07467
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

struct HeadNormShape {
  int64_t N = 0, stride = 0, HD = 0;
  int64_t QH = 0, KH = 0;  // heads that take wq, and wk
  float eps = 0, offset = 0;
};

template <class T> struct HeadNormWeights { const T *q, *k; };

template <class A> struct HeadNormSums { A *q, *k; };

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void head_norm_forward(Ctx&, T* y, acc_t<T>* rstd, const T* x, const HeadNormWeights<T>& w,
                                          const HeadNormShape& shape);
template <class T> void head_norm_backward(Ctx&, T* dx, const HeadNormSums<acc_t<T>>& dw, const T* dy, const T* x,
                                           const HeadNormWeights<T>& w, const acc_t<T>* rstd,
                                           const HeadNormShape& shape);
)
LL_CPU_KERNELS(int64_t head_norm_backward_scratch(const HeadNormShape& shape);)

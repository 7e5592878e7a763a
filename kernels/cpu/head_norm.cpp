#include "kernels/head_norm.h"

#include <cmath>

#include "kernels/cpu/row_blocks.h"

namespace lowland::LL_CPU {
namespace {

// (o + w) x r, of one head.
template <class T> LL_INLINE acc_t<T> norm_head(T* y, const T* x, const T* w, const HeadNormShape& s) {
  using A = acc_t<T>;
  const int64_t HD = s.HD;
  const A offset = A(s.offset);
  A sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < HD; ++c) sum += wide(x[c]) * wide(x[c]);
  const A r = A(1) / std::sqrt(sum / A(HD) + A(s.eps));
#pragma omp simd
  for (int64_t c = 0; c < HD; ++c) y[c] = narrow<T>((offset + wide(w[c])) * wide(x[c]) * r);
  return r;
}

// dx may be null. partial: the sum that this head adds to, or null.
template <class T>
LL_INLINE void head_gradient(T* dx, acc_t<T>* partial, const T* dy, const T* x, const T* w, acc_t<T> r,
                             const HeadNormShape& s) {
  using A = acc_t<T>;
  const int64_t HD = s.HD;
  const A offset = A(s.offset);
  if (partial != nullptr) {
#pragma omp simd
    for (int64_t c = 0; c < HD; ++c) partial[c] += wide(dy[c]) * wide(x[c]) * r;
  }
  if (dx == nullptr) return;
  A dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t c = 0; c < HD; ++c) dot += (offset + wide(w[c])) * wide(dy[c]) * wide(x[c]);
  const A k = r * r * dot / A(HD);
#pragma omp simd
  for (int64_t c = 0; c < HD; ++c) dx[c] = narrow<T>(r * ((offset + wide(w[c])) * wide(dy[c]) - wide(x[c]) * k));
}

}  // namespace

template <class T>
void head_norm_forward(Ctx& ctx, T* y, acc_t<T>* rstd, const T* x, const HeadNormWeights<T>& w,
                       const HeadNormShape& shape) {
  const int64_t heads = shape.QH + shape.KH, HD = shape.HD;
  parallel_for(ctx, shape.N, row_grain(heads * HD), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t at = n * shape.stride + h * HD;
        const acc_t<T> r = norm_head(y + at, x + at, h < shape.QH ? w.q : w.k, shape);
        if (rstd != nullptr) rstd[n * heads + h] = r;
      }
  });
}

template <class T>
void head_norm_backward(Ctx& ctx, T* dx, const HeadNormSums<acc_t<T>>& dw, const T* dy, const T* x,
                        const HeadNormWeights<T>& w, const acc_t<T>* rstd, const HeadNormShape& shape) {
  const int64_t heads = shape.QH + shape.KH, HD = shape.HD;
  acc_t<T>* const sums[2] = {dw.q, dw.k};
  sum_rows_into_each(ctx, sums, shape.N, HD, [&](acc_t<T>* partial, int64_t n) {
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t at = n * shape.stride + h * HD;
      const bool query = h < shape.QH;
      acc_t<T>* const sum = partial == nullptr ? nullptr : partial + (query ? 0 : HD);
      head_gradient(dx == nullptr ? nullptr : dx + at, sum, dy + at, x + at, query ? w.q : w.k, rstd[n * heads + h],
                    shape);
    }
  });
}

int64_t head_norm_backward_scratch(const HeadNormShape& shape) { return row_sums_scratch(2, shape.N, shape.HD); }

LL_INSTANTIATE(head_norm_forward);
LL_INSTANTIATE(head_norm_backward);

}  // namespace lowland::LL_CPU

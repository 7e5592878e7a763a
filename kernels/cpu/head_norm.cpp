#include "kernels/head_norm.h"

#include <cmath>

#include "kernels/cpu/row_blocks.h"

namespace lowland::LL_CPU {
namespace {

// (o + w) x r, of one head.
template <class T> LL_INLINE T norm_head(T* y, const T* x, const T* w, const HeadNormShape& s) {
  const int64_t HD = s.HD;
  const T offset = T(s.offset);
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < HD; ++c) sum += x[c] * x[c];
  const T r = T(1) / std::sqrt(sum / T(HD) + T(s.eps));
#pragma omp simd
  for (int64_t c = 0; c < HD; ++c) y[c] = (offset + w[c]) * x[c] * r;
  return r;
}

// dx may be null. partial: the sum that this head adds to, or null.
template <class T>
LL_INLINE void head_gradient(T* dx, T* partial, const T* dy, const T* x, const T* w, T r, const HeadNormShape& s) {
  const int64_t HD = s.HD;
  const T offset = T(s.offset);
  if (partial != nullptr) {
#pragma omp simd
    for (int64_t c = 0; c < HD; ++c) partial[c] += dy[c] * x[c] * r;
  }
  if (dx == nullptr) return;
  T dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t c = 0; c < HD; ++c) dot += (offset + w[c]) * dy[c] * x[c];
  const T k = r * r * dot / T(HD);
#pragma omp simd
  for (int64_t c = 0; c < HD; ++c) dx[c] = r * ((offset + w[c]) * dy[c] - x[c] * k);
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
        const T r = norm_head(y + at, x + at, h < shape.QH ? w.q : w.k, shape);
        if (rstd != nullptr) rstd[n * heads + h] = r;
      }
  });
}

template <class T>
void head_norm_backward(Ctx& ctx, T* dx, const HeadNormSums<acc_t<T>>& dw, const T* dy, const T* x,
                        const HeadNormWeights<T>& w, const acc_t<T>* rstd, const HeadNormShape& shape) {
  const int64_t heads = shape.QH + shape.KH, HD = shape.HD;
  T* const sums[2] = {dw.q, dw.k};
  sum_rows_into_each(ctx, sums, shape.N, HD, [&](T* partial, int64_t n) {
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t at = n * shape.stride + h * HD;
      const bool query = h < shape.QH;
      T* const sum = partial == nullptr ? nullptr : partial + (query ? 0 : HD);
      head_gradient(dx == nullptr ? nullptr : dx + at, sum, dy + at, x + at, query ? w.q : w.k, rstd[n * heads + h],
                    shape);
    }
  });
}

int64_t head_norm_backward_scratch(const HeadNormShape& shape) { return row_sums_scratch(2, shape.N, shape.HD); }

LL_INSTANTIATE(head_norm_forward);
LL_INSTANTIATE(head_norm_backward);

}  // namespace lowland::LL_CPU

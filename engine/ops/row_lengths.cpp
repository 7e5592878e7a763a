#include "engine/ops/row_lengths.h"

#include "kernels/elementwise.h"
#include "kernels/gram.h"
#include "kernels/weight_noise.h"

namespace lowland::ops {

Tensor perturbed(const Tensor& t, const Tensor& e) {
  if (!e) return t.detach();
  Tensor sum = Tensor::empty_like(t);
  LL_LAUNCH(t, add, sum.data<T>(), t.data<T>(), e.data<T>(), t.numel());
  return sum;
}

Tensor row_lengths_with_pair(const Tensor& w, const Tensor& a, const Tensor& b, double scale) {
  const int64_t n = w.dim(0), M = w.dim(1), R = a.dim(0);
  const Tensor p = Tensor::empty(w.context(), {R, n}, w.dtype());   // A W^T
  const Tensor K = Tensor::empty(w.context(), {R, R}, DType::f64);  // A A^T
  const Tensor q = Tensor::empty(w.context(), {n}, DType::f64);
  multiply_weight(p, a, w, {.trans_b = Trans::yes, .M = R, .N = n, .K = M, .lda = M, .ldb = M, .ldc = n}, 0);
  LL_LAUNCH(a, gram_rows, K.data<double>(), a.data<T>(), a.data<T>(), R, M);
  LL_LAUNCH(w, row_lengths, q.data<double>(), w.data<T>(), p.data<T>(), b.data<T>(), K.data<double>(),
            NoiseShape{.n = n, .M = M, .R = R, .scale = scale});
  return q;
}

}  // namespace lowland::ops

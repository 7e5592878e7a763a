// cross_entropy: scaled sum over rows of the negative log-likelihood of a class, with label smoothing e.
//   forward    lse_n = log sum_v exp(x_nv)
//              loss = scale * sum_n (1 - e) (lse_n - x_nt) + e (lse_n - mean_v x_nv)          t = target_n
//   backward   dx_nv = dloss * scale * (exp(x_nv - lse_n) - (1 - e) [v = t] - e / V)
//   Rows whose target is ignore_index add nothing and get a zero gradient.
// shapes     x, dx: (N, V)   target: (N) i32   lse: (N), saved for backward   loss, dloss: (1)
//            lse, loss, dloss in acc_t<T>
// writes     loss =   lse =   dx =   (dx may equal x)
// numerics   exponentials in T, summed in double over runs of 1,024 classes; loss in double, row after row,
//            rounded once
// REQUIRES   V >= 1; a target in [0, V) or ignore_index
// CUDA plan  a block per row, online max and sum in one pass over 16-byte chunks wherever the row stands, exponentials
//            and their sums in acc_t; loss in double by one block
// paper      Szegedy et al. 2016, arXiv:1512.00567 (label smoothing)
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

struct CrossEntropyShape {
  int64_t N = 0, V = 0;
  int64_t ignore_index = -100;
  double label_smoothing = 0, scale = 1;
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void cross_entropy_forward(Ctx&, acc_t<T>* loss, acc_t<T>* lse, const T* x, const int32_t* target,
                                              const CrossEntropyShape& shape);
template <class T> void cross_entropy_backward(Ctx&, T* dx, const acc_t<T>* dloss, const T* x, const int32_t* target,
                                               const acc_t<T>* lse, const CrossEntropyShape& shape);
)

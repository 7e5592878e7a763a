#include "kernels/linear.h"

namespace lowland::LL_CPU {

template <class T>
void linear_forward(Ctx& ctx, T* y, const T* x, const T* w, const T* b, int64_t N, int64_t M, int64_t O,
                    acc_t<T> beta) {
  matmul<T>(ctx, y, x, w, {.trans_b = Trans::yes, .M = N, .N = O, .K = M, .lda = M, .ldb = M, .ldc = O}, acc_t<T>(1),
            beta);
  if (b != nullptr) bias_forward(ctx, y, b, N, O);
}

LL_INSTANTIATE(linear_forward);

}  // namespace lowland::LL_CPU

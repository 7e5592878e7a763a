// mse: scaled sum of squared errors; scale 1 / n gives their mean.
//   forward    loss = scale * sum_i (x_i - t_i)^2
//   backward   dx_i = dloss * 2 scale (x_i - t_i)
// shapes     x, t, dx: (n)   loss, dloss: (1)   t, loss and dloss in acc_t<T>
// writes     loss =   dx =   (dx may equal x)
// numerics   loss in double over blocks of 4,096 elements, rounded once
// CUDA plan  one block: regression heads have a few hundred elements
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void mse_forward(Ctx&, acc_t<T>* loss, const T* x, const acc_t<T>* target, int64_t n, double scale);
template <class T> void mse_backward(Ctx&, T* dx, const acc_t<T>* dloss, const T* x, const acc_t<T>* target, int64_t n,
                                     double scale);
)

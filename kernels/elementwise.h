// elementwise: sums and scalings of whole arrays.
//   add_into   y_i += x_i
//   add        y_i = a_i + b_i
//   mul        y_i = a_i * b_i
//   scale      y_i = alpha * x_i
// shapes     all (n)
// writes     as above; y may equal an input
// CUDA plan  two 16-byte chunks of each input a thread, all loads before the first store
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void add_into(Ctx&, T* y, const T* x, int64_t n);
template <class T> void add(Ctx&, T* y, const T* a, const T* b, int64_t n);
template <class T> void mul(Ctx&, T* y, const T* a, const T* b, int64_t n);
template <class T> void scale(Ctx&, T* y, const T* x, double alpha, int64_t n);
)

// convert: the same numbers in another element type, and the sums that a forward in bf16 reads.
//   convert        y_i = To(x_i)
//   compute_view   y_i = bf16(x_i + e_i)   e null: bf16(x_i).  An adapter at its centre or its perturbed point; e in
//                  f32 or in bf16
// shapes     all (n)
// writes     y =   (y must not overlap x or e)
// numerics   to bf16 through f32, to nearest, ties to even; the sum of compute_view in f32, rounded once. From a
//            float to an integer: toward zero, as C++ does
// CUDA plan  eight elements a thread, 16-byte loads and stores where the pointers allow
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class To, class From> void convert(Ctx&, To* y, const From* x, int64_t n);
template <class E> void compute_view(Ctx&, bf16* y, const float* x, const E* e, int64_t n);
)

#define LL_INSTANTIATE_VIEW(E) template decltype(compute_view<E>) compute_view<E>;

// Every pair of element types.
#define LL_INSTANTIATE_PAIR(To, From) template decltype(convert<To, From>) convert<To, From>;
#define LL_CONVERT_PAIRS(X)                                                              \
  X(float, double) X(float, bf16) X(float, int32_t) X(float, int64_t)                    \
  X(double, float) X(double, bf16) X(double, int32_t) X(double, int64_t)                 \
  X(bf16, float) X(bf16, double) X(bf16, int32_t) X(bf16, int64_t)                       \
  X(int32_t, float) X(int32_t, double) X(int32_t, bf16) X(int32_t, int64_t)              \
  X(int64_t, float) X(int64_t, double) X(int64_t, bf16) X(int64_t, int32_t)

// The activations (kernels/common/activation.h) as functions of elements, forward and backward.
#pragma once
#include "kernels/cuda/functions.h"

namespace lowland::cuda {

template <class F> struct ValueOf {
  template <class A> LL_HD A operator()(A x) const { return F::value(x); }
};
template <class F> struct GradientOf {
  template <class A> LL_HD A operator()(A dy, A x) const { return dy * F::with_slope(x).slope; }
};

}  // namespace lowland::cuda

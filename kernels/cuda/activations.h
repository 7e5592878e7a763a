// What the activations do to one element, forward and backward (mathematics: kernels/gelu.h, silu.h, tanh.h). T is the
// element type; arguments and results are acc_t<T>.
#pragma once
#include "kernels/cuda/functions.h"

namespace lowland::cuda {

// Phi is 0 or 1 and phi is 0 long before 40, and an infinite x must not meet that 0.
template <class T> struct Gelu {
  using A = acc_t<T>;
  LL_HD A operator()(A x) const {
    const A low = x < A(-40) ? A(-40) : x;
    return low * normal<kFast<T>>(low).cdf;
  }
};
template <class T> struct GeluSlope {
  using A = acc_t<T>;
  LL_HD A operator()(A dy, A x) const {
    const A in = clamp_to(x, A(-40), A(40));
    const Normal<A> at = normal<kFast<T>>(in);
    return dy * (at.cdf + in * at.pdf);
  }
};

template <class T> struct Tanh {
  LL_HD acc_t<T> operator()(acc_t<T> x) const { return tanh_of(x); }
};
template <class T> struct TanhSlope {  // from y = tanh(x)
  LL_HD acc_t<T> operator()(acc_t<T> dy, acc_t<T> y) const { return dy * (acc_t<T>(1) - y * y); }
};

// x times the sigmoid of alpha x: silu with alpha = 1, quick_gelu with 1.702. Beyond 1000 the sigmoid is 0 or 1 in
// every type, and an infinite x must not meet that 0.
template <class T> struct Swish {
  using A = acc_t<T>;
  A alpha = 1;
  LL_HD A operator()(A x) const {
    const A low = x < A(-1000) ? A(-1000) : x;
    return low * sigmoid<kFast<T>>(alpha * low);
  }
};
template <class T> struct SwishSlope {
  using A = acc_t<T>;
  A alpha = 1;
  LL_HD A operator()(A dy, A x) const {
    const A in = clamp_to(x, A(-1000), A(1000)), s = sigmoid<kFast<T>>(alpha * in);
    return dy * s * (A(1) + alpha * in * (A(1) - s));
  }
};

}  // namespace lowland::cuda

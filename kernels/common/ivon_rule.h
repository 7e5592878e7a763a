// The element's part of kernels/ivon.h, for the CPU and for a GPU's thread.
#pragma once
#include <cmath>

#include "kernels/common/hd.h"
#include "kernels/ivon.h"

namespace lowland::LL_HD_NAMESPACE {

template <class T> struct IvonFactors { T scale, beta1, rest1, beta2, rest2, half2, ess, decay, correct, lr, most; };

template <class T> LL_HD IvonFactors<T> ivon_factors(const IvonOptions& o, const StepScalars& s) {
  const double rest2 = 1 - o.beta2;
  return {static_cast<T>(s.clip_scale),
          static_cast<T>(o.beta1),
          static_cast<T>(1 - o.beta1),
          static_cast<T>(o.beta2),
          static_cast<T>(rest2),
          static_cast<T>(rest2 * rest2 / 2),
          static_cast<T>(o.ess),
          static_cast<T>(o.decay),
          static_cast<T>(1 / (1 - std::pow(o.beta1, static_cast<double>(s.t)))),
          static_cast<T>(s.lr * o.lr_factor),
          static_cast<T>(o.most)};
}

template <class T> LL_HD void ivon_element(T& p, T& m, T& h, T g, T e, const IvonFactors<T>& k) {
  const T gi = k.scale * g, precision = h + k.decay;
  const T f = k.ess * e * gi * precision, apart = h - f;
  m = k.beta1 * m + k.rest1 * gi;
  h = k.beta2 * h + k.rest2 * f + k.half2 * apart * apart / precision;
  T step = (k.correct * m + k.decay * p) / (h + k.decay);
  step = step < -k.most ? -k.most : step;
  step = step > k.most ? k.most : step;
  p -= k.lr * step;
}

}  // namespace lowland::LL_HD_NAMESPACE

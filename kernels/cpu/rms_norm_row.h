// One row of rms_norm's backward, for rms_norm and add_rms_norm.
#pragma once
#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {

// sum_c w_c dy_c x_c. Out of line: its order is the same wherever it is called.
template <class T> LL_NOINLINE acc_t<T> rms_norm_dot(const T* w, const T* dy, const T* x, int64_t C) {
  acc_t<T> dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t c = 0; c < C; ++c) dot += wide(w[c]) * wide(dy[c]) * wide(x[c]);
  return dot;
}

}  // namespace lowland::LL_CPU

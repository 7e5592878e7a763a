// Lengths of the rows of W + s B A: weight_noise and dora go by them.
#pragma once
#include "engine/ops/linear_parts.h"

namespace lowland::ops {

// The matrix that the forward reads: t + e, or t itself at the centre, where e is absent.
Tensor perturbed(const Tensor& t, const Tensor& e);

// w (n, M), a (R, M), b (n, R), of one dtype -> (n) f64: kernels/weight_noise.h
Tensor row_lengths_with_pair(const Tensor& w, const Tensor& a, const Tensor& b, double scale);

}  // namespace lowland::ops

// Every op of the engine. Each lives in its own file of the same name, forward and backward side by side; the
// mathematics is in kernels/<op>.h. Shapes: N rows, C width; see docs/notation.md.
#pragma once
#include "engine/tensor.h"

namespace lowland::ops {

// y = w * x / sqrt(mean(x^2) + eps).   x (N, C), w (C) -> (N, C)
Tensor rms_norm(const Tensor& x, const Tensor& w, double eps);

}  // namespace lowland::ops

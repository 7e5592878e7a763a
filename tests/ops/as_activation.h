// A case's input as a model's op would give it. A leaf is a number that is trained, whose gradient in bf16 is f32; of
// what an op made it is bf16, and some kernels write nothing else.
#pragma once
#include "engine/ops/ops.h"

namespace lowland::test {

inline Tensor as_activation(const Tensor& x) {
  return x.dtype() == DType::bf16 && x.requires_grad() ? ops::scale(x, 1) : x;
}

}  // namespace lowland::test

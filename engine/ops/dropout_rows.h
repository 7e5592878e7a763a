// From an op's Dropout to what its kernel needs, checked. op: the OpScope of the op whose input has N rows.
#pragma once
#include "engine/op_scope.h"
#include "engine/ops/ops.h"
#include "kernels/dropout.h"

namespace lowland {

inline DropoutRows dropout_rows(const OpScope& op, const Dropout& dropout, int64_t N) {
  op.check(dropout.p >= 0 && dropout.p <= 1, "the probability of dropout must be in [0, 1]");
  if (!dropout.active()) return {};
  for (const Tensor* where : {&dropout.example, &dropout.position})
    op.check(where->defined() && where->numel() == N && where->dtype() == DType::i32,
             "dropout needs the example and the position of every row, i32");
  return {.p = dropout.p,
          .draws = dropout.draws(),
          .example = dropout.example.data<int32_t>(),
          .position = dropout.position.data<int32_t>()};
}

}  // namespace lowland

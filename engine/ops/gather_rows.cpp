#include "kernels/gather_rows.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

Tensor gather_rows(const Tensor& x, const Tensor& index) {
  OpScope op("gather_rows", {{"x", &x}, {"index", &index}});
  op.check(x.defined() && x.rank() == 2, "x must be (N, C)");
  op.check(index.defined() && index.rank() == 1 && index.dtype() == DType::i32, "index must be (K) i32");
  const int64_t K = index.dim(0), N = x.dim(0), C = x.dim(1);
  const int32_t* row = index.host();
  for (int64_t k = 0; k < K; ++k)
    LL_CHECK(row[k] >= 0 && row[k] < N, "[gather_rows] index {} at place {} is outside [0, {})", row[k], k, N);
  Tensor y = Tensor::empty(x.context(), {K, C}, x.dtype());  // (K, C)
  op.moves(y, 2, 3);
  LL_LAUNCH(x, gather_rows_forward, y.data<T>(), x.data<T>(), index.data<int32_t>(), K, C);
  if (!op.records()) return y;
  op.record(y, [x, index, K, C](Tensor dy) {
    const Tensor dx = accumulator(x);  // (N, C)
    LL_LAUNCH(x, gather_rows_backward, dx.data<T>(), dy.data<T>(), index.data<int32_t>(), K, C);
  });
  return y;
}

}  // namespace lowland::ops

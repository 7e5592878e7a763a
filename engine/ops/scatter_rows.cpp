#include "kernels/scatter_rows.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

void scatter_rows(const Tensor& y, const Tensor& x, const Tensor& index, int64_t first_column) {
  OpScope op("scatter_rows", {{"y", &y}, {"x", &x}, {"index", &index}});
  op.check(y.defined() && y.rank() == 2 && !y.requires_grad(), "y must be (N, C), without gradient");
  op.check(x.defined() && x.rank() == 2 && first_column >= 0 && first_column + y.dim(1) <= x.dim(1),
           "x must be (K, first column + C or more)");
  op.check(x.dtype() == y.dtype(), "x and y must have one dtype");
  op.check(index.defined() && index.dtype() == DType::i32 && index.numel() == x.dim(0), "index must be (K) i32");
  op.check(!op.records(), "x must not need a gradient: none goes through a cache");
  const int64_t K = x.dim(0), N = y.dim(0);
  const int32_t* row = index.host();
  for (int64_t k = 0; k < K; ++k)
    LL_CHECK(row[k] >= 0 && row[k] < N, "[scatter_rows] index {} at place {} is outside [0, {})", row[k], k, N);
  LL_LAUNCH(x, scatter_rows_forward, y.data<T>(), x.data<T>() + first_column, index.data<int32_t>(), K, y.dim(1),
            x.dim(1));
}

}  // namespace lowland::ops

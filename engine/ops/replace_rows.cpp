#include "kernels/replace_rows.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {
namespace {

void check_places(const int32_t* index, int64_t K, int64_t N) {
  std::vector<bool> taken(N);
  for (int64_t k = 0; k < K; ++k) {
    LL_CHECK(index[k] >= 0 && index[k] < N, "[replace_rows] index {} at place {} is outside [0, {})", index[k], k, N);
    LL_CHECK(!taken[index[k]], "[replace_rows] row {} is named twice", index[k]);
    taken[index[k]] = true;
  }
}

}  // namespace

Tensor replace_rows(Tensor x, const Tensor& rows, const Tensor& index) {
  OpScope op("replace_rows", {{"x", &x}, {"rows", &rows}, {"index", &index}});
  op.check(x.defined() && x.rank() == 2, "x must be (N, C)");
  op.check(rows.defined() && rows.rank() == 2 && rows.dim(1) == x.dim(1) && rows.dtype() == x.dtype(),
           "rows must be (K, C) in the dtype of x");
  op.check(index.defined() && index.rank() == 1 && index.dtype() == DType::i32 && index.dim(0) == rows.dim(0),
           "index must be (K) i32, one for each of the rows");
  const ReplaceRowsShape shape{.N = x.dim(0), .K = rows.dim(0), .C = x.dim(1)};
  check_places(index.host(), shape.K, shape.N);
  const Tensor input = x.gradient_only();
  const bool records = op.records();
  Tensor y = x.sole_owner() ? x.detach() : Tensor::empty_like(x);  // (N, C)
  LL_LAUNCH(x, replace_rows_forward, y.data<T>(), x.data<T>(), rows.data<T>(), index.data<int32_t>(), shape);
  if (!records) return y;
  op.record(y, [input, rows = rows.gradient_only(), index, shape](Tensor dy) {
    Tensor drows, dx;
    if (rows.requires_grad()) drows = Tensor::empty(dy.context(), rows.shape(), dy.dtype());  // (K, C)
    if (input.requires_grad()) dx = dy.sole_owner() ? dy : Tensor::empty_like(dy);            // (N, C)
    LL_LAUNCH(dy, replace_rows_backward, dx.data<T>(), drows.data<T>(), dy.data<T>(), index.data<int32_t>(), shape);
    if (drows) give(rows, std::move(drows));
    if (dx) give(input, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops

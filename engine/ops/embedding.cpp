#include "kernels/embedding.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

Tensor embedding(const Tensor& ids, const Tensor& table) {
  OpScope op("embedding", {{"ids", &ids}, {"table", &table}});
  op.check(table.defined() && table.rank() == 2, "table must be (V, C)");
  op.check(ids.defined() && ids.rank() == 1 && ids.dtype() == DType::i32, "ids must be (N) i32");
  const int64_t N = ids.dim(0), V = table.dim(0), C = table.dim(1);
  const int32_t* id = ids.data<int32_t>();
  for (int64_t n = 0; n < N; ++n)
    LL_CHECK(id[n] >= 0 && id[n] < V, "[embedding] id {} at row {} is outside [0, {})", id[n], n, V);
  Tensor y = Tensor::empty(table.context(), {N, C}, table.dtype());  // (N, C)
  LL_LAUNCH(table, embedding_forward, y.data<T>(), id, table.data<T>(), N, C);
  if (!op.records()) return y;
  op.record(y, [ids, table, N, C](Tensor dy) {
    const Tensor dtable = accumulator(table);  // (V, C)
    LL_LAUNCH(dy, embedding_backward, dtable.data<acc_t<T>>(), dy.data<T>(), ids.data<int32_t>(), N, C);
  });
  return y;
}

}  // namespace lowland::ops

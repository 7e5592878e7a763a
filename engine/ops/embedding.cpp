#include "kernels/embedding.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {
namespace {

void check_embedding(const OpScope& op, const Tensor& ids, const Tensor& table) {
  op.check(table.defined() && table.rank() == 2, "table must be (V, C)");
  op.check(ids.defined() && ids.rank() == 1 && ids.dtype() == DType::i32, "ids must be (N) i32");
  const int32_t* id = ids.host();
  for (int64_t n = 0; n < ids.dim(0); ++n)
    LL_CHECK(id[n] >= 0 && id[n] < table.dim(0), "[embedding] id {} at row {} is outside [0, {})", id[n], n,
             table.dim(0));
}

}  // namespace

Tensor embedding(const Tensor& ids, const Weight& table, DType dtype) {
  const Tensor& t = table.data;
  if (t.defined() && t.dtype() == dtype) return embedding(ids, t);
  OpScope op("embedding", {{"ids", &ids}, {"table", &t}});
  check_embedding(op, ids, t);
  op.check((t.dtype() == DType::bf16 || is_blocks(t.dtype())) && !t.requires_grad(),
           "table must have the dtype of the rows, or be frozen and bf16 or in blocks");
  const int64_t N = ids.dim(0), C = t.dim(1);
  Tensor y = Tensor::empty(t.context(), {N, C}, dtype);  // (N, C)
  const double row = static_cast<double>(t.nbytes()) / static_cast<double>(t.dim(0));
  op.moves(y, 1 + row / static_cast<double>(C * size_of(dtype)), 0);
  LL_LAUNCH(y, embedding_frozen, y.data<T>(), ids.data<int32_t>(), t.raw(), t.dtype(), N, C);
  return y;
}

Tensor embedding(const Tensor& ids, const Tensor& table) {
  OpScope op("embedding", {{"ids", &ids}, {"table", &table}});
  check_embedding(op, ids, table);
  const int64_t N = ids.dim(0), C = table.dim(1);
  const int32_t* id = ids.data<int32_t>();
  Tensor y = Tensor::empty(table.context(), {N, C}, table.dtype());  // (N, C)
  op.moves(y, 2, 3);
  LL_LAUNCH(table, embedding_forward, y.data<T>(), id, table.data<T>(), N, C);
  if (!op.records()) return y;
  op.record(y, [ids, table, N, C](Tensor dy) {
    const Tensor dtable = accumulator(table);  // (V, C)
    LL_LAUNCH(dy, embedding_backward, dtable.data<acc_t<T>>(), dy.data<T>(), ids.data<int32_t>(), N, C);
  });
  return y;
}

}  // namespace lowland::ops

#include "kernels/rope.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {
namespace {

// A buffer of our own to rotate in: x's, if nobody else holds it.
Tensor own(const Tensor& x) { return x.sole_owner() ? x.detach() : x.clone(); }

}  // namespace

Tensor rope(Tensor x, const Tensor& position, const Tensor& frequencies, int64_t heads, const Tensor& table,
            int64_t head_dim, double factor) {
  OpScope op("rope", {{"x", &x}, {"position", &position}, {"frequencies", &frequencies}});
  op.check(frequencies.defined() && frequencies.rank() == (table.defined() ? 2 : 1) &&
               frequencies.dtype() == DType::f32 && 2 * frequencies.dim(frequencies.rank() - 1) <= kRopeMaxWidth,
           "frequencies must be (HD/2) f32, or (tables, HD/2) with a table for each row, HD at most 1024");
  const int64_t turned = 2 * frequencies.dim(frequencies.rank() - 1), HD = head_dim > 0 ? head_dim : turned;
  op.check(HD >= turned, "a head has fewer columns than the frequencies turn");
  op.check(x.defined() && x.rank() == 2 && heads >= 0 && x.dim(1) >= heads * HD,
           "x must be (N, heads HD or more), HD twice the number of frequencies");
  op.check(position.defined() && position.dtype() == DType::i32 && position.numel() == x.dim(0),
           "position must be (N) i32");
  op.check(!table.defined() || (table.dtype() == DType::i32 && table.numel() == x.dim(0)), "table must be (N) i32");
  const double share = static_cast<double>(heads * turned) / static_cast<double>(x.dim(1));
  op.moves(x, 2 * share, 2 * share);
  const RopeShape shape{.N = x.dim(0),
                        .stride = x.dim(1),
                        .heads = heads,
                        .HD = HD,
                        .table = table.defined() ? table.data<int32_t>() : nullptr,
                        .turned = turned,
                        .factor = factor};
  const Tensor input = x.gradient_only();
  const bool records = op.records();
  Tensor y = own(x);  // (N, ...)
  LL_LAUNCH(y, rope_forward, y.data<T>(), position.data<int32_t>(), frequencies.data<float>(), shape);
  if (!records) return y;
  op.record(y, [input, position, frequencies, table, shape](Tensor dy) {
    Tensor dx = own(dy);  // (N, ...)
    LL_LAUNCH(dx, rope_backward, dx.data<T>(), position.data<int32_t>(), frequencies.data<float>(), shape);
    give(input, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops

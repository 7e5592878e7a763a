#include "kernels/rope.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {
namespace {

// A buffer of our own to rotate in: x's, if nobody else holds it.
Tensor own(const Tensor& x) { return x.sole_owner() ? x.detach() : x.clone(); }

}  // namespace

Tensor rope(Tensor x, const Tensor& position, const Tensor& frequencies, int64_t heads) {
  OpScope op("rope", {{"x", &x}, {"position", &position}, {"frequencies", &frequencies}});
  op.check(frequencies.defined() && frequencies.rank() == 1 && frequencies.dtype() == DType::f32 &&
               2 * frequencies.numel() <= kRopeMaxWidth,
           "frequencies must be (HD/2) f32, HD at most 1024");
  const int64_t HD = 2 * frequencies.numel();
  op.check(x.defined() && x.rank() == 2 && heads >= 0 && x.dim(1) >= heads * HD,
           "x must be (N, heads HD or more), HD twice the number of frequencies");
  op.check(position.defined() && position.dtype() == DType::i32 && position.numel() == x.dim(0),
           "position must be (N) i32");
  const double share = static_cast<double>(heads * HD) / static_cast<double>(x.dim(1));
  op.moves(x, 2 * share, 2 * share);
  const RopeShape shape{.N = x.dim(0), .stride = x.dim(1), .heads = heads, .HD = HD};
  const Tensor input = x.gradient_only();
  const bool records = op.records();
  Tensor y = own(x);  // (N, ...)
  LL_LAUNCH(y, rope_forward, y.data<T>(), position.data<int32_t>(), frequencies.data<float>(), shape);
  if (!records) return y;
  op.record(y, [input, position, frequencies, shape](Tensor dy) {
    Tensor dx = own(dy);  // (N, ...)
    LL_LAUNCH(dx, rope_backward, dx.data<T>(), position.data<int32_t>(), frequencies.data<float>(), shape);
    give(input, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops

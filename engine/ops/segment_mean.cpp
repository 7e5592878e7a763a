#include "kernels/segment_mean.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

Tensor segment_mean(const Tensor& x, const Tensor& cu) {
  OpScope op("segment_mean", {{"x", &x}, {"cu", &cu}});
  op.check(x.defined() && x.rank() == 2, "x must be (N, C)");
  op.check(cu.defined() && cu.rank() == 1 && cu.dim(0) >= 1 && cu.dtype() == DType::i32, "cu must be (S+1) i32");
  const int64_t N = x.dim(0), C = x.dim(1), S = cu.dim(0) - 1;
  const int32_t* bounds = cu.host();
  bool rises = bounds[0] == 0;
  for (int64_t s = 0; s < S; ++s) rises = rises && bounds[s] <= bounds[s + 1];
  op.check(rises && bounds[S] <= N, "cu must rise from 0 and end within the rows of x");
  Tensor y = Tensor::empty(x.context(), {S, C}, x.dtype());  // (S, C)
  LL_LAUNCH(x, segment_mean_forward, y.data<T>(), x.data<T>(), cu.data<int32_t>(), S, C);
  if (!op.records()) return y;
  op.record(y, [x = x.gradient_only(), cu, S, N, C](Tensor dy) {
    Tensor dx = Tensor::empty(dy.context(), {N, C}, dy.dtype());  // (N, C)
    LL_LAUNCH(dy, segment_mean_backward, dx.data<T>(), dy.data<T>(), cu.data<int32_t>(), S, N, C);
    give(x, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops

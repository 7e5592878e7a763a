#include "kernels/patchify.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

Tensor patchify(const Tensor& x, int64_t patch) {
  OpScope op("patchify", {{"x", &x}});
  op.check(x.defined() && x.rank() == 4, "x must be (S, D, H, W)");
  op.check(patch >= 1 && x.dim(2) % patch == 0 && x.dim(3) % patch == 0,
           "the patches must tile the pictures: their side divides height and width");
  op.check(!op.records(), "x must not need a gradient: pictures are not trained");
  const PatchifyShape shape{.S = x.dim(0), .D = x.dim(1), .H = x.dim(2), .W = x.dim(3), .P = patch};
  const int64_t rows = shape.S * (shape.H / patch) * (shape.W / patch), columns = shape.D * patch * patch;
  Tensor y = Tensor::empty(x.context(), {rows, columns}, x.dtype());  // (S NP, D P P)
  LL_LAUNCH(x, patchify_forward, y.data<T>(), x.data<T>(), shape);
  return y;
}

}  // namespace lowland::ops

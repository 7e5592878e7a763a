#include "kernels/cross_entropy.h"

#include "engine/autograd.h"
#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options) {
  OpScope op("cross_entropy", {{"logits", &logits}, {"targets", &targets}});
  op.check(logits.defined() && logits.rank() == 2 && logits.dim(1) >= 1, "logits must be (N, V), V at least 1");
  op.check(targets.defined() && targets.dtype() == DType::i32 && targets.numel() == logits.dim(0),
           "targets must be (N) i32, one for each row of logits");
  op.check(options.label_smoothing >= 0 && options.label_smoothing <= 1, "label_smoothing must be in [0, 1]");
  op.moves(logits, 1, 2);
  const CrossEntropyShape shape{.N = logits.dim(0),
                                .V = logits.dim(1),
                                .ignore_index = options.ignore_index,
                                .label_smoothing = options.label_smoothing,
                                .scale = options.scale};
  const int32_t* target = targets.host();
  for (int64_t n = 0; n < shape.N; ++n)
    LL_CHECK(target[n] == shape.ignore_index || (target[n] >= 0 && target[n] < shape.V),
             "[cross_entropy] target {} of row {} is neither in [0, {}) nor the ignored {}", target[n], n, shape.V,
             shape.ignore_index);
  Tensor loss = Tensor::empty(logits.context(), {1}, acc_of(logits.dtype()));       // (1)
  Tensor lse = Tensor::empty(logits.context(), {shape.N}, acc_of(logits.dtype()));  // (N)
  LL_LAUNCH(logits, cross_entropy_forward, loss.data<acc_t<T>>(), lse.data<acc_t<T>>(), logits.data<T>(),
            targets.data<int32_t>(), shape);
  if (!op.records()) return loss;
  op.record(loss, [logits, targets, lse, shape](Tensor dloss) {
    // The largest tensor of a language model: where nobody else holds the logits, they become their gradient.
    Tensor dlogits = logits.sole_owner() ? logits.detach() : Tensor::empty_like(logits);  // (N, V)
    LL_LAUNCH(logits, cross_entropy_backward, dlogits.data<T>(), dloss.data<acc_t<T>>(), logits.data<T>(),
              targets.data<int32_t>(), lse.data<acc_t<T>>(), shape);
    give(logits, logits.context().tape().loss_gradient(std::move(dlogits)));
  });
  return loss;
}

}  // namespace lowland::ops

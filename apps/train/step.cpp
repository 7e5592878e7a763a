#include "apps/train/step.h"

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/nvtx.h"

namespace lowland::apps {

TrainingStep::TrainingStep(nn::Model& model, optim::Method& method, Loss loss, bool graphs)
    : model_(model), method_(method), loss_(std::move(loss)), graphs_(model.context()) {
  Context& context = model.context();
  // Captured launches would wait for each other's gathers as they did when they were captured.
  if (!graphs || method.row().keeps_loss_gradients || model.sharded()) graphs_.disable();
  if (context.on_cpu()) return;
  weight_ = Tensor::zeros(context, {1}, acc_of(model.dtype()));
  context.tape().one(weight_);  // made here, so that no captured step makes it
}

void TrainingStep::run(const std::vector<PackedBatch>& batches, const Numbers& n) {
  const nvtx::Range range("step");
  Allocator& memory = model_.context().memory();
  method_.set_step(n.index, n.lr, n.rho, n.new_window);
  const nn::Mode mode{.training = true, .seed = n.seed, .step = static_cast<uint64_t>(n.index)};
  passes_ = n.passes;
  const double scale = 1.0 / (n.weight > 0 ? n.weight : weight_of(batches));  // over the whole step
  pass(batches, mode, scale, true);
  sum_losses();
  if (method_.wants_second_pass()) {
    const PhaseScope phase(memory, "ascend");
    if (!local_ascent_) sum_gradients();
    method_.ascend();
    pass(batches, mode, scale, false);
    method_.restore();
  }
  sum_gradients();
  const PhaseScope phase(memory, "optimizer");
  method_.step();
}

// Each process's are parts of the step's mean already: divided by the targets of all.
void TrainingStep::sum_losses() const {
  if (ranks_ == nullptr || ranks_->alone()) return;
  double* const pending = &method_.step_state().scalars()->pending_loss;
  ranks_->all_reduce(Tensor::borrow(model_.context(), {1}, DType::f64, pending, nullptr), "loss");
}

void TrainingStep::sum_gradients() const {
  if (ranks_ == nullptr || ranks_->alone()) return;
  const nvtx::Range range("comm");
  ranks_->all_reduce(model_.arena().grads(), "gradients");
  ranks_->all_reduce(side_gradients_, "gradients of the second pairs");
}

void TrainingStep::pass(const std::vector<PackedBatch>& batches, nn::Mode mode, double scale, bool first) {
  model_.arena().zero_grads();
  const nn::PerturbedView view = method_.training_view();
  if (const nn::Arena* side = model_.arena().forward_side()) side_gradients_ = side->grads();
  model_.arena().refresh();
  compute(batches, mode, scale, first);
  for (auto made = std::ssize(batches); made < passes_; ++made) model_.silent_pass();
}

void TrainingStep::compute(const std::vector<PackedBatch>& batches, nn::Mode mode, double scale, bool first) {
  if (model_.context().on_cpu()) {
    for (const PackedBatch& b : batches) pass_one(b, mode, scale, {}, first);
    return;
  }
  weight_.assign<double>({scale});
  mode.live_step = method_.step_state().live_step();
  for (const PackedBatch& b : batches) {
    if (!b.rows.packed || b.images.any()) {  // pictures are sent in the middle of a pass
      pass_one(b, mode, 1.0, weight_, first);
      continue;
    }
    const std::string key = fmt::format("{} {} {}", b.rows.shape_key(), first ? "first" : "second",
                                        model_.arena().perturbed() ? "moved" : "");
    graphs_.run(key, {b.rows.packed, b.targets, weight_}, [&](const std::vector<Tensor>& in) {
      PackedBatch same = b;
      same.rows = b.rows.over(in[0]);
      same.targets = in[1];
      pass_one(same, mode, 1.0, in[2], first);
    });
  }
}

void TrainingStep::pass_one(const PackedBatch& batch, const nn::Mode& mode, double scale, const Tensor& weight,
                            bool first) {
  Allocator& memory = model_.context().memory();
  Tensor loss;  // (1)
  {
    const PhaseScope phase(memory, "forward");
    loss = loss_(batch, mode, scale);
    if (weight) loss = ops::mul(loss, weight);
  }
  const PhaseScope phase(memory, "backward");
  if (first) method_.add_loss(loss);
  model_.context().tape().backward(loss);
}

}  // namespace lowland::apps

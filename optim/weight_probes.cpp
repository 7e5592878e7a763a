#include "optim/weight_probes.h"

namespace lowland::optim {

WeightProbes::WeightProbes(nn::Model& model, bool with_gradients) {
  const bool adapted = !model.adapters().empty();
  for (nn::Linear* linear : model.linears()) {
    if (adapted && !linear->adapted()) continue;
    Probe p{linear, {}, {}, linear->adapted_rows()};
    const Shape shape = linear->weight().shape;
    if (!adapted) p.rows = {{0, shape[0]}};
    p.e = Tensor::zeros(model.context(), shape, model.dtype());
    if (with_gradients) {
      p.gradient = Tensor::zeros(model.context(), shape, acc_of(model.dtype()));
      p.e.set_grad_buffer(p.gradient);
    }
    linear->set_probe(p.e);
    probes_.push_back(std::move(p));
  }
}

WeightProbes::~WeightProbes() {
  for (const Probe& p : probes_) p.linear->set_probe(Tensor());
}

void WeightProbes::freeze_gradients() {
  for (Probe& p : probes_) {
    keep_rows(p.gradient, p.rows);
    p.e = p.e.detach();
    p.linear->set_probe(p.e);
  }
}

void keep_rows(const Tensor& x, const std::vector<std::pair<int64_t, int64_t>>& rows) {
  int64_t at = 0;
  for (const auto& [begin, end] : rows) {
    x.slice_rows(at, begin).fill_zero();
    at = end;
  }
  x.slice_rows(at, x.dim(0)).fill_zero();
}

}  // namespace lowland::optim

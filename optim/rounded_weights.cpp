#include "optim/rounded_weights.h"

#include "engine/autograd.h"
#include "engine/ops/ops.h"

namespace lowland::optim {
namespace {

// s B A of an adapter, (n, m).
std::vector<float> product(const nn::Arena& arena, const nn::Adapter& a) {
  const Tensor b = arena.master(a.b).detach(), down = arena.master(a.a).detach();  // (n, r), (r, m)
  return ops::scale(ops::matmul(b, down), a.scale).to(DType::f32).to_vector<float>();
}

}  // namespace

RoundedWeights::RoundedWeights(nn::Model& model, const Round& round) {
  const nn::Arena& arena = model.arena();
  arena.require_centre("rounded weights");
  const PhaseScope phase(model.context().memory(), "probe");
  const NoGrad guard(model.context());
  size_t next = 0;  // the arena lists adapters in the order of the layers
  for (nn::Linear* linear : model.linears()) {
    const nn::Parameter& weight = linear->weight();
    std::vector<float> w = weight.master.to(DType::f32).to_vector<float>();
    const int64_t columns = weight.shape[1];
    for (const auto& [begin, end] : linear->adapted_rows()) {
      const std::vector<float> added = product(arena, arena.adapters()[next++]);
      for (size_t i = 0; i < added.size(); ++i) w[begin * columns + i] += added[i];
    }
    if (weight.trainable) continue;
    std::vector<float> e = w;
    for (int64_t row = 0; row < weight.shape[0]; ++row) round(e.data() + row * columns, columns);
    for (size_t i = 0; i < e.size(); ++i) e[i] -= w[i];
    linear->set_probe(Tensor::from<float>(model.context(), weight.shape, e).to(model.dtype()));
    linears_.push_back(linear);
  }
}

RoundedWeights::~RoundedWeights() {
  for (nn::Linear* linear : linears_) linear->set_probe(Tensor());
}

}  // namespace lowland::optim

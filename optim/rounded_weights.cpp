#include "optim/rounded_weights.h"

#include <cmath>

#include "engine/autograd.h"
#include "engine/ops/ops.h"

namespace lowland::optim {
namespace {

// s B A of an adapter, (n, m).
std::vector<float> product(const nn::Arena& arena, const nn::Adapter& a) {
  const Tensor b = arena.master(a.b).detach(), down = arena.master(a.a).detach();  // (n, r), (r, m)
  return ops::scale(ops::matmul(b, down), a.scale).to(DType::f32).to_vector<float>();
}

// m / ||row|| of the adapter's rows.
void put_stretch(float* to, const float* rows, const nn::Arena& arena, const nn::Adapter& a) {
  const std::vector<float> m = arena.master(a.magnitude).to(DType::f32).to_vector<float>();
  for (int64_t i = 0; i < a.n; ++i) {
    double squares = 0;
    for (int64_t c = 0; c < a.m; ++c) squares += static_cast<double>(rows[i * a.m + c]) * rows[i * a.m + c];
    to[i] = squares > 0 ? static_cast<float>(m[i] / std::sqrt(squares)) : 0.0f;
  }
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
    std::vector<float> stretch(weight.shape[0], 1.0f);  // of rows, by DoRA: a probe is on what they are before it
    for (const auto& [begin, end] : linear->adapted_rows()) {
      const nn::Adapter& a = arena.adapters()[next++];
      const std::vector<float> added = product(arena, a);
      for (size_t i = 0; i < added.size(); ++i) w[begin * columns + i] += added[i];
      if (!a.magnitude.empty()) put_stretch(stretch.data() + begin, w.data() + begin * columns, arena, a);
    }
    if (weight.trainable) continue;
    std::vector<float> e = w;
    for (int64_t row = 0; row < weight.shape[0]; ++row) {
      float* const values = e.data() + row * columns;
      const float by = stretch[row];
      if (by == 0) continue;
      for (int64_t c = 0; c < columns; ++c) values[c] *= by;
      round(values, columns);
      for (int64_t c = 0; c < columns; ++c) values[c] /= by;
    }
    for (size_t i = 0; i < e.size(); ++i) e[i] -= w[i];
    linear->set_probe(Tensor::from<float>(model.context(), weight.shape, e).to(model.dtype()));
    linears_.push_back(linear);
  }
}

RoundedWeights::~RoundedWeights() {
  for (nn::Linear* linear : linears_) linear->set_probe(Tensor());
}

}  // namespace lowland::optim

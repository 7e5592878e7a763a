// Two adapted layers with a tanh between, small enough for brute force: y = W2 tanh(W1 x), the loss the mean square
// against random targets. Layer "first" is a packed weight of two parts, of which only one is adapted.
#pragma once
#include "engine/autograd.h"
#include "engine/ops/ops.h"
#include "nn/model.h"
#include "optim/weight_probes.h"
#include "tests/ops/harness.h"

namespace lowland::test {

class ToyModel final : public nn::Model {
 public:
  static constexpr int64_t kIn = 5, kFree = 3, kHidden = 4, kOut = 3, kRows = 7;

  explicit ToyModel(DType dtype = DType::f64, bool adapted = true) {
    first_ = own(std::make_unique<nn::Linear>(
        parameters_, std::vector<nn::Linear::Part>{{"first.free", kFree}, {"first.held", kHidden}}, kIn));
    second_ = own(std::make_unique<nn::Linear>(parameters_, "second", kOut, kFree + kHidden));
    if (adapted)
      attach_lora({.rank = 2,
                   .alpha = 3,
                   .targets = [](const std::string& m) { return m != "first.free"; },
                   .besides = nullptr,
                   .size = nullptr});
    materialise(cpu(), dtype);
    uint64_t seed = 1;
    for (const auto& [name, tensor] : parameters_.named()) tensor.assign(random_values(tensor.numel(), seed++, 0.5));
    for (const nn::Adapter& a : arena().adapters()) {
      arena().master(a.a).assign(random_values(a.r * a.m, seed++, 0.5));
      arena().master(a.b).assign(random_values(a.n * a.r, seed++, 0.5));
    }
    x_ = Tensor::from<double>(cpu(), {kRows, kIn}, random_values(kRows * kIn, 91)).to(dtype);
    y_ = Tensor::from<double>(cpu(), {kRows, kOut}, random_values(kRows * kOut, 92)).to(dtype);
  }
  Tensor forward(const nn::Mode& mode) const {
    const Tensor h = ops::tanh(first_->forward(x_, {}, mode));
    return second_->forward(h, {}, mode);
  }

  optim::ProbeLoss loss() {
    return [this](bool backward) {
      const auto run = [&] {
        arena().refresh();
        return ops::mse(forward(nn::Mode::evaluation()).reshape({kRows * kOut}), y_.reshape({kRows * kOut}),
                        1.0 / static_cast<double>(kRows * kOut));
      };
      if (!backward) {
        const NoGrad guard(cpu());
        return run().item();
      }
      const Tensor l = run();
      cpu().tape().backward(l);
      return l.item();
    };
  }
  nn::Linear& first() const { return *first_; }
  nn::Linear& second() const { return *second_; }

 private:
  nn::Linear *first_ = nullptr, *second_ = nullptr;
  Tensor x_, y_;
};

// The Hessian over the adapters' numbers, gaps left out, by central differences of gradients.
struct HessianMatrix {
  std::vector<int64_t> at;  // where in the arena each number is
  std::vector<double> values;
};

inline HessianMatrix hessian_matrix(ToyModel& model) {
  const nn::Arena& arena = model.arena();
  HessianMatrix H;
  for (const nn::Adapter& a : arena.adapters()) {
    for (int64_t i = 0; i < a.r * a.m; ++i) H.at.push_back(a.a_offset + i);
    for (int64_t i = 0; i < a.n * a.r; ++i) H.at.push_back(a.b_offset + i);
  }
  const auto loss = model.loss();
  const size_t n = H.at.size();
  H.values.resize(n * n);
  const std::vector<double> theta = arena.values().to_vector<double>();
  const auto gradient = [&](int64_t i, double h) {
    set_element(arena.values(), i, theta[i] + h);
    arena.zero_grads();
    loss(true);
    set_element(arena.values(), i, theta[i]);
    return arena.grads().to_vector<double>();
  };
  for (size_t i = 0; i < n; ++i) {
    const std::vector<double> up = gradient(H.at[i], 1e-5), down = gradient(H.at[i], -1e-5);
    for (size_t j = 0; j < n; ++j) {
      const size_t k = H.at[j];
      H.values[i * n + j] = (up[k] - down[k]) / 2e-5;
    }
  }
  arena.zero_grads();
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < i; ++j) H.values[i * n + j] = H.values[j * n + i];
  return H;
}

}  // namespace lowland::test

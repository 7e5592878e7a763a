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

}  // namespace lowland::test

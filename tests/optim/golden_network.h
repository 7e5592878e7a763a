// The network of tests/golden/make_eflat_golden.py and make_methods_golden.py: tanh(x W1^T) W2^T ..., every layer
// adapted, with softmax cross-entropy.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/autograd.h"
#include "engine/ops/ops.h"
#include "optim/method.h"

namespace lowland::test {

using nlohmann::json;

inline std::vector<double> flat(const json& rows) {
  std::vector<double> values;
  for (const json& row : rows)
    for (const json& x : row) values.push_back(x.get<double>());
  return values;
}

inline Tensor matrix(Context& context, const json& rows) {
  return Tensor::from<double>(context, {static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows.at(0).size())},
                              flat(rows));
}

inline std::vector<double> doubles(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

class Network {
 public:
  Network(Context& context, DType dtype, const json& layers, double scale) : scale_(scale) {
    std::vector<nn::ArenaSpec> specs;
    std::vector<nn::AdapterSpec> adapters;
    for (size_t l = 0; l < layers.size(); ++l) {
      const Tensor w = matrix(context, layers[l].at("W0")).to(dtype);
      const auto r = static_cast<int64_t>(layers[l].at("A").size());
      const std::string a = a_name(l), b = b_name(l);
      specs.push_back({a, {r, w.dim(1)}, nn::Role::lora_a});
      specs.push_back({b, {w.dim(0), r}, nn::Role::lora_b});
      adapters.push_back({"layer" + std::to_string(l), a, b, w.dim(0), w.dim(1), r, scale});
      weights_.push_back(w);
    }
    arena_ = std::make_unique<nn::Arena>(context, dtype, specs, adapters);
    for (size_t l = 0; l < layers.size(); ++l) {
      arena_->value(a_name(l)).copy_from(matrix(context, layers[l].at("A")));
      arena_->value(b_name(l)).copy_from(matrix(context, layers[l].at("B")));
    }
  }

  Tensor loss(Tensor x, const Tensor& targets) const {
    const nn::Arena* const beside = arena_->forward_side();
    for (size_t l = 0; l < weights_.size(); ++l) {
      x = ops::lora_linear(x, weights_[l], Tensor(), group(*arena_, l),
                           beside == nullptr ? LoraGroup() : group(*beside, l));  // (N, sizes[l + 1])
      if (l + 1 < weights_.size()) x = ops::tanh(x);
    }
    CrossEntropyOptions options;
    options.scale = 1.0 / static_cast<double>(targets.numel());
    return ops::cross_entropy(x, targets, options);
  }

  void at_step(int64_t step) { step_ = step; }  // of the draws
  nn::Arena& arena() const { return *arena_; }
  size_t depth() const { return weights_.size(); }
  const std::vector<Tensor>& weights() const { return weights_; }
  static std::string a_name(size_t l) { return "layer" + std::to_string(l) + ".lora_A.weight"; }
  static std::string b_name(size_t l) { return "layer" + std::to_string(l) + ".lora_B.weight"; }

 private:
  static constexpr uint64_t kNoiseSeed = 7;
  LoraGroup group(const nn::Arena& arena, size_t l) const {
    LoraGroup lora;
    lora.a = arena.value(a_name(l));
    lora.a_perturbation = arena.forward_perturbation(a_name(l));
    if (const double* rho = arena.forward_noise())
      lora.noise = {.rho = rho, .draws = {.key = philox_key(kNoiseSeed, step_, l)}};
    lora.parts.push_back({arena.value(b_name(l)), arena.forward_perturbation(b_name(l)), 0, scale_});
    return lora;
  }

  double scale_;
  int64_t step_ = 0;
  std::vector<Tensor> weights_;
  std::unique_ptr<nn::Arena> arena_;
};

// One pass: the training loop of optim/method.h.
inline Tensor pass(const Network& network, optim::Method& method, const Tensor& x, const Tensor& y) {
  network.arena().zero_grads();
  const auto view = method.training_view();
  const Tensor loss = network.loss(x, y);
  loss.context().tape().backward(loss);
  return loss.detach();
}

}  // namespace lowland::test

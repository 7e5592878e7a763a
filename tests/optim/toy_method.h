// A method over a few numbers: one adapted matrix, a head and a bias. The loss is
//   |s B A - T|^2 / 2 + |head - 1/2|^2 / 2 + |bias - 1|^2 / 2,   T a target that depends on the step;
// for a method that trains all weights there is a matrix W in the place of s B A.
#pragma once
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "kernels/reference/eflat.h"
#include "nn/init.h"
#include "optim/method.h"
#include "tests/ops/harness.h"

namespace lowland::test {

using reference::Matrix, reference::product, reference::sum, reference::transposed;

struct Toy {
  static constexpr int64_t kN = 6, kM = 5, kR = 2;
  static constexpr double kScale = 2;

  explicit Toy(const std::string& name, const optim::MethodOptions& options = {}, DType dtype = DType::f32)
      : adapted(optim::method_row(name).trains == optim::Trains::adapters),
        arena(cpu(), dtype, specs(adapted), adapters(adapted)) {
    const char* const first = adapted ? "A" : "W";
    nn::init_uniform(arena.value(first), 1 / std::sqrt(5.0), nn::init_key(42, first));
    method = optim::make_method(name, arena, options);
  }

  static std::vector<nn::ArenaSpec> specs(bool adapted) {
    std::vector<nn::ArenaSpec> all = {{"bias", {4}, nn::Role::undecayed}, {"head", {3}, nn::Role::decayed}};
    if (!adapted) return all.push_back({"W", {kN, kM}, nn::Role::decayed}), all;
    all.push_back({"B", {kN, kR}, nn::Role::lora_b});
    all.push_back({"A", {kR, kM}, nn::Role::lora_a});
    return all;
  }
  static std::vector<nn::AdapterSpec> adapters(bool adapted) {
    if (!adapted) return {};
    return {{"module", "A", "B", kN, kM, kR, kScale}};
  }

  static Matrix as_matrix(const Tensor& t) {
    const Tensor x = t.to(DType::f64);
    return Matrix(x.dim(0), x.dim(1), HostBytes(x).as<double>());
  }

  // As the forward reads it.
  Matrix read(const char* name) const {
    const Tensor e = arena.forward_perturbation(name);
    const Matrix m = as_matrix(arena.value(name));
    return e ? sum(m, as_matrix(e)) : m;
  }

  void store(const char* name, const Matrix& g) const { arena.grad(name).assign(g.x); }

  // Forward and backward of step t, at whatever the method wants to see.
  void pass(int64_t t) {
    arena.zero_grads();
    const auto view = method->training_view();
    const Values target = random_values(kN * kM, 100 + t);
    const Matrix T(kN, kM, target.data());
    if (adapted) {
      const Matrix A = read("A"), B = read("B");
      Matrix BA = product(B, A);
      const nn::Arena* const beside = arena.forward_side();
      if (beside != nullptr) BA = sum(BA, product(as_matrix(beside->value("B")), as_matrix(beside->value("A"))));
      const Matrix d = sum(BA, T, kScale, -1);
      const auto store_pair = [&](const nn::Arena& of, const Matrix& a, const Matrix& b) {
        of.grad("A").assign(product(transposed(sum(b, b, kScale, 0)), d).x);
        of.grad("B").assign(product(d, transposed(sum(a, a, kScale, 0))).x);
      };
      store_pair(arena, A, B);
      if (beside != nullptr && beside->grads())
        store_pair(*beside, as_matrix(beside->value("A")), as_matrix(beside->value("B")));
    } else {
      store("W", sum(read("W"), T, 1, -1));
    }
    for (const auto& [name, goal] : {std::pair{"bias", 1.0}, {"head", 0.5}}) {
      std::vector<double> g = arena.value(name).to(DType::f64).to_vector<double>();
      for (double& x : g) x -= goal;
      arena.grad(name).assign(g);
    }
  }

  optim::StepStats take(double lr, double rho, double loss = 1) {
    method->step(lr, rho, Tensor::from<double>(arena.context(), {1}, {loss}));
    return method->stats();
  }

  optim::StepStats step(int64_t t, double lr = 0.01, double rho = 0.05, double loss = 1) {
    method->set_step(method->state().step, lr, rho);
    pass(t);
    if (method->wants_second_pass()) {
      method->ascend();
      pass(t);
      method->restore();
    }
    method->add_loss(Tensor::from<double>(arena.context(), {1}, {loss}));
    method->step();
    return method->stats();
  }

  std::vector<float> bits() const { return arena.values().to_vector<float>(); }

  bool adapted;
  nn::Arena arena;
  std::unique_ptr<optim::Method> method;
};

}  // namespace lowland::test

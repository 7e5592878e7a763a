// Each method follows the literal double-precision trajectory of tests/golden/make_methods_golden.py for 50 steps.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

#include "kernels/common/difference.h"
#include "optim/schedule.h"
#include "tests/ops/harness.h"
#include "tests/optim/golden_network.h"

using namespace lowland;
using namespace lowland::test;

namespace {

const json& golden() {
  static const json file = [] {
    std::ifstream in(source_dir() + "/tests/golden/methods.json");
    return json::parse(in);
  }();
  return file;
}

optim::MethodOptions options_of(const json& run) {
  optim::MethodOptions o;
  for (const auto& [name, value] : run.at("options").items()) {
    if (value.is_string())
      o.values[name] = value.get<std::string>();
    else
      o.values[name] = value.get<double>();
  }
  o.optimizer.weight_decay = golden().at("settings").at("wd");
  o.optimizer.precondition = run.at("optimizer").contains("precondition");
  if (run.at("optimizer").contains("ivon")) {
    const json& ivon = run.at("optimizer").at("ivon");
    o.optimizer.name = "ivon";
    o.optimizer.ess = ivon.at("ess");
    o.optimizer.h0 = ivon.at("h0");
    o.optimizer.ivon_beta2 = ivon.at("beta2");
    o.optimizer.ivon_most = ivon.at("clip");
    o.optimizer.seed = 5;
  }
  o.max_grad_norm = 0;
  return o;
}

double error(const std::vector<double>& x, const json& expected) { return difference(x, flat(expected)).to_largest(); }

std::vector<std::vector<double>> frozen(const Network& network) {
  std::vector<std::vector<double>> all;
  for (const Tensor& w : network.weights()) all.push_back(w.to_vector<double>());
  return all;
}

// The second pairs of bi-lora begin as in the file.
void begin_beside(const Network& network, optim::Method& method) {
  const auto view = method.training_view();
  const nn::Arena* const beside = network.arena().forward_side();
  if (beside == nullptr || method.name() != "bi-lora") return;
  for (size_t l = 0; l < network.depth(); ++l)
    beside->master(Network::a_name(l)).assign(flat(golden().at("layers").at(l).at("A2")));
}

void follow(const json& run) {
  const json& settings = golden().at("settings");
  Network network(cpu(), DType::f64, golden().at("layers"), settings.at("s"));
  const auto before = frozen(network);
  const auto method = optim::make_method(run.at("method"), network.arena(), options_of(run));
  begin_beside(network, *method);
  const auto steps = settings.at("steps").get<int64_t>();
  const optim::RhoSchedule rho = method->rho_schedule(steps);
  const json& batches = golden().at("batches");
  size_t next = 0;
  for (int64_t t = 1; t <= steps; ++t) {
    const json& batch = batches.at((t - 1) % batches.size());
    const auto targets = batch.at("y").get<std::vector<int32_t>>();
    const Tensor x = matrix(cpu(), batch.at("x"));
    const Tensor y = Tensor::from<int32_t>(cpu(), {static_cast<int64_t>(targets.size())}, targets);
    network.at_step(t - 1);
    method->set_step(t - 1, settings.at("lr"), rho.at(t));
    const Tensor loss = pass(network, *method, x, y);
    method->add_loss(loss);
    if (method->wants_second_pass()) {
      method->ascend();
      pass(network, *method, x, y);
      method->restore();
    }
    method->step();
    const json& expected = run.at("steps").at(next);
    if (expected.at("t") != t) continue;
    ++next;
    CAPTURE(t);
    CHECK(method->stats().finite);
    CHECK(std::abs(loss.item() - expected.at("loss").get<double>()) < 1e-9);
    CHECK(std::abs(rho.at(t) - expected.at("rho").get<double>()) < 1e-12);
    for (size_t l = 0; l < network.depth(); ++l) {
      CHECK(error(doubles(network.arena().value(Network::a_name(l))), expected.at("A").at(l)) < 1e-9);
      CHECK(error(doubles(network.arena().value(Network::b_name(l))), expected.at("B").at(l)) < 1e-9);
    }
  }
  CHECK(next == run.at("steps").size());
  CHECK(frozen(network) == before);
}

}  // namespace

TEST_CASE("methods: each follows its literal reference for 50 steps, and frozen weights keep their bits") {
  for (const json& run : golden().at("runs")) {
    CAPTURE(run.at("name").get<std::string>());
    follow(run);
  }
}

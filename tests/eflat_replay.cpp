// eflat_replay GOLDEN.json [--method NAME...] [--device cuda] [--dtype f32 [--e bf16]]: follows a file written by
// tests/golden/make_eflat_golden.py (or by any script with that layout) with the real arena, ops and methods, and
// compares losses, A, B and the perturbation E after every step. Prints the largest errors of each run; exit code 1
// if one is too large.
//   f64   run free: everything under 1e-9
//   f32   run free: losses under 1e-5, A and B under 2e-3; E under 1e-5 where each step starts from the reference
//   f32, --e bf16   E kept as it is where the forward computes in bf16: losses under 1e-3, A and B under 2e-3; E under
//         2^-7 where each step starts from the reference
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/error.h"
#include "kernels/common/difference.h"
#include "optim/schedule.h"
#include "tests/optim/golden_network.h"

using namespace lowland;
using namespace lowland::test;

namespace {

double error(const std::vector<double>& x, const std::vector<double>& ref) { return difference(x, ref).to_largest(); }

std::unique_ptr<optim::Method> method_of(const std::string& name, nn::Arena& arena, const json& settings) {
  optim::MethodOptions options;
  options.optimizer.weight_decay = settings.at("wd");
  options.max_grad_norm = 0;
  for (const optim::MethodOption& option : optim::method_row(name).options) {
    if (option.name == "beta") options.values["beta"] = settings.at("beta").get<double>();
    if (option.name == "pinv-rcond") options.values["pinv-rcond"] = settings.at("pinv_rcond").get<double>();
    if (option.name == "norm")
      options.values["norm"] =
          name == "lora-sam" ? settings.value("sam_norm", "joint") : std::string(settings.at("norm"));
  }
  return optim::make_method(name, arena, options);
}

struct Errors {
  double loss = 0, values = 0, e = 0;  // values: A and B
};

// With E in bf16: a rounding of what a step starts from, and one of what it writes, 2^-8 each.
constexpr Errors kRoundedE = {1e-3, 2e-3, 0x1p-7};

bool has_e(const std::string& method) { return optim::method_row(method).perturbs == optim::Perturbs::b; }

// The reference's A, B and E after a step.
void set_state(const Network& network, const std::string& method, const json& step) {
  nn::Arena& arena = network.arena();
  for (size_t l = 0; l < network.depth(); ++l) {
    arena.value(Network::a_name(l)).assign(flat(step.at("A").at(l)));
    arena.value(Network::b_name(l)).assign(flat(step.at("B").at(l)));
    if (has_e(method)) arena.perturbation(Network::b_name(l)).assign(flat(step.at("E").at(l)));
  }
}

// from_reference: every step starts from the reference's state, so that errors do not grow from step to step.
// rounded_e: E is kept in bf16, as where the forward computes in it.
Errors replay(Context& context, DType dtype, bool rounded_e, const json& golden, const json& run, bool from_reference) {
  const json& settings = golden.at("settings");
  const std::string name = run.at("method");
  const Network network(context, dtype, golden.at("layers"), settings.at("s"));
  nn::Arena& arena = network.arena();
  if (rounded_e && has_e(name)) arena.want_perturbation(nn::Role::lora_b, true);
  const auto method = method_of(name, arena, settings);
  const auto steps = static_cast<int64_t>(golden.at("batches").size());
  LL_CHECK(steps > 0 && network.depth() > 0, "the file has no step, or no layer");
  const optim::RhoSchedule rho{optim::parse_rho_kind(settings.at("schedule")), settings.at("rho"), steps};
  Errors worst;
  for (int64_t t = 1; t <= steps; ++t) {
    if (from_reference && t > 1) set_state(network, name, run.at("steps").at(t - 2));
    const json& batch = golden.at("batches").at(t - 1);
    const json& expected = run.at("steps").at(t - 1);
    const Tensor x = matrix(context, batch.at("x")).to(dtype);
    const auto targets = batch.at("y").get<std::vector<int32_t>>();
    const Tensor y = Tensor::from<int32_t>(context, {static_cast<int64_t>(targets.size())}, targets);
    const Tensor loss = pass(network, *method, x, y);
    if (method->wants_second_pass()) {
      method->ascend(rho.at(t));
      pass(network, *method, x, y);
      method->restore();
    }
    method->step(settings.at("lr"), rho.at(t), loss);
    LL_CHECK(method->stats().finite, "step {} of {} was skipped", t, name);
    worst.loss =
        std::max({worst.loss, error({loss.item()}, {expected.at("loss")}), error({rho.at(t)}, {expected.at("rho")})});
    for (size_t l = 0; l < network.depth(); ++l) {
      const std::string a = Network::a_name(l), b = Network::b_name(l);
      worst.values = std::max(worst.values, error(doubles(arena.value(a)), flat(expected.at("A").at(l))));
      worst.values = std::max(worst.values, error(doubles(arena.value(b)), flat(expected.at("B").at(l))));
      if (has_e(name)) worst.e = std::max(worst.e, error(doubles(arena.perturbation(b)), flat(expected.at("E").at(l))));
    }
  }
  return worst;
}

int replay_file(Context& context, DType dtype, bool rounded_e, const std::string& path,
                const std::vector<std::string>& methods) {
  std::ifstream file(path);
  LL_CHECK(file.good(), "cannot open {}", path);
  const json golden = json::parse(file);
  const bool exact = dtype == DType::f64;
  int bad = 0, done = 0;
  for (const json& run : golden.at("runs")) {
    const std::string name = run.at("method");
    if (!methods.empty() && std::find(methods.begin(), methods.end(), name) == methods.end()) continue;
    Errors worst = replay(context, dtype, rounded_e, golden, run, false);
    if (!exact) worst.e = replay(context, dtype, rounded_e, golden, run, true).e;
    Errors most = exact ? Errors{1e-9, 1e-9, 1e-9} : Errors{1e-5, 2e-3, 1e-5};
    if (rounded_e && has_e(name)) most = kRoundedE;
    const bool good = worst.loss < most.loss && worst.values < most.values && worst.e < most.e;
    std::printf("%-10s %zu steps, largest errors: loss %.2e, A and B %.2e, E %.2e %s\n", name.c_str(),
                run.at("steps").size(), worst.loss, worst.values, worst.e, good ? "" : "TOO LARGE");
    bad += good ? 0 : 1;
    ++done;
  }
  LL_CHECK(done > 0, "{} holds none of the methods asked for", path);
  return bad == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Replays a reference trajectory of lora, lora-sam, flat-lora and eflat-lora");
  std::string path;
  std::vector<std::string> methods;
  app.add_option("golden", path, "JSON file")->required();
  app.add_option("--method", methods, "only these");
  std::string device = "cpu", dtype = "f64", e = "as dtype";
  app.add_option("--device", device, "cpu or cuda")->check(CLI::IsMember({"cpu", "cuda"}));
  app.add_option("--dtype", dtype, "f64 or f32")->check(CLI::IsMember({"f64", "f32"}));
  app.add_option("--e", e, "bf16: keep E in it")->check(CLI::IsMember({"bf16"}));
  CLI11_PARSE(app, argc, argv);
  try {
    Context context(Device{device == "cpu" ? DeviceType::cpu : DeviceType::cuda, 0});
    LL_CHECK(e != "bf16" || dtype == "f32", "--e bf16 goes with --dtype f32");
    return replay_file(context, dtype == "f64" ? DType::f64 : DType::f32, e == "bf16", path, methods);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "eflat_replay: %s\n", error.what());
    return 1;
  }
}

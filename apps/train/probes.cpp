#include "apps/train/probes.h"

#include <algorithm>

#include "apps/settings/settings.h"
#include "optim/average_sharpness.h"
#include "optim/ema_gap.h"
#include "optim/hessian.h"
#include "optim/probe.h"
#include "optim/sharpness.h"

namespace lowland::apps {

const std::vector<std::string>& probe_names() {
  static const std::vector<std::string> names = {"sharpness", "estimate", "average", "ema-gap",
                                                 "balance",   "hessian",  "trace"};
  return names;
}

std::vector<std::string> parse_probes(const char* flag, const std::string& list) {
  std::vector<std::string> names;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    names.push_back(list.substr(at, end - at));
    check_word(flag, names.back(), probe_names());
    at = end + 1;
  }
  return names;
}

nlohmann::ordered_json run_probes(const std::vector<std::string>& names, nn::Model& model, const optim::ProbeLoss& loss,
                                  const optim::Method& method, double rho) {
  const auto wanted = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  nlohmann::ordered_json o = nlohmann::ordered_json::object();
  if (wanted("sharpness") || wanted("estimate")) {
    const optim::Sharpness s = optim::measure_sharpness(model, loss, {.rho = rho, .estimate = wanted("estimate")});
    o["sharpness"] = s.sharpness;
    o["probe_loss"] = s.loss;
    if (wanted("estimate")) {
      o["estimate_sharpness"] = s.estimate_sharpness;
      o["cosine"] = s.cosine;
    }
  }
  if (wanted("average")) o["average_sharpness"] = optim::measure_average_sharpness(model, loss, {.rho = rho}).sharpness;
  if (wanted("ema-gap") && method.row().moving_average) {
    const optim::EmaGap gap = optim::measure_ema_gap(model, loss, method);
    o["ema_gap"] = gap.gap();
    o["ema_cosine"] = gap.cosine;
    o["ema_relative_norm"] = gap.relative;
  }
  if (wanted("balance")) o["adapters"] = adapters_json(model.arena());
  if (wanted("hessian")) o["hessian_top"] = optim::largest_hessian_eigenvalue(model, loss, {}).eigenvalue;
  if (wanted("trace")) o["hessian_trace"] = optim::hessian_trace(model, loss, {}).trace;
  return o;
}

nlohmann::ordered_json adapters_json(const nn::Arena& arena) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const optim::AdapterProbe& a : optim::probe_adapters(arena)) {
    list.push_back({{"module", a.module},
                    {"norm_a", a.norm_a},
                    {"norm_b", a.norm_b},
                    {"balancedness", a.balancedness},
                    {"condition_a", a.condition_a},
                    {"condition_b", a.condition_b}});
    if (a.perturbation_norm > 0) list.back()["perturbation_norm"] = a.perturbation_norm;
  }
  return list;
}

}  // namespace lowland::apps

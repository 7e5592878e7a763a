// What can be measured beside the training, by name: of the landscape around the centre, and of the adapters.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "optim/method.h"
#include "optim/weight_probes.h"

namespace lowland::apps {

// In the order in which they are measured: sharpness, estimate, average, ema-gap, balance, hessian, trace.
const std::vector<std::string>& probe_names();

// Of a comma list. Error, naming the flag, for one that is none.
std::vector<std::string> parse_probes(const char* flag, const std::string& list);

//   sharpness   sharpness, probe_loss                                  (optim/sharpness.h)
//   estimate    the same and estimate_sharpness, cosine
//   average     average_sharpness                                      (optim/average_sharpness.h)
//   ema-gap     ema_gap, ema_cosine, ema_relative_norm; of a method with a moving average only (optim/ema_gap.h)
//   balance     adapters: as adapters_json
//   hessian     hessian_top                                            (optim/hessian.h)
//   trace       hessian_trace
// rho: of the three kinds of sharpness.
// Whatever is trained, and all that the method keeps, is the same bits afterwards. Error while a perturbed view is
// open.
nlohmann::ordered_json run_probes(const std::vector<std::string>& names, nn::Model& model, const optim::ProbeLoss& loss,
                                  const optim::Method& method, double rho = 0.05);

// A list: module, norm_a, norm_b, balancedness, condition_a, condition_b and, where there is one, perturbation_norm of
// each adapter (optim/probe.h).
nlohmann::ordered_json adapters_json(const nn::Arena& arena);

}  // namespace lowland::apps

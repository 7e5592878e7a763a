#include "models/hub/load_with_head.h"

#include <algorithm>

#include "models/hub/target_match.h"

namespace lowland {

LoadReport load_with_head(nn::Model& model, WeightMap& weights, const std::vector<std::string>& heads, double std,
                          uint64_t seed, const std::function<void(const std::string& name, const Tensor& into)>& read) {
  LoadReport report;
  for (const std::string& name : model.parameters().shared_names()) weights.use(name);
  model.parameters().fill([&](const std::string& name, const Tensor& into) {
    const bool head = is_within(name, heads);
    if (head && !(weights.contains(name) && weights.info(name).shape == into.shape())) {
      report.fresh.push_back(name);
    } else if (read) {
      read(name, into);
    } else {
      weights.read_into(name, into);
    }
  });
  model.parameters().initialise(seed, std, [&](const std::string& name) {
    return std::find(report.fresh.begin(), report.fresh.end(), name) != report.fresh.end();
  });
  model.initialise_adapters(seed);
  report.unused = weights.unused_message();
  return report;
}

}  // namespace lowland

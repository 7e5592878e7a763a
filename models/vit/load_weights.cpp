#include "models/vit/load_weights.h"

#include <algorithm>

namespace lowland {

VitLoadReport load_weights(Vit& model, const std::string& folder, uint64_t seed) {
  WeightMap weights(folder, "vision_model");
  VitLoadReport report;
  for (const auto& [name, tensor] : model.parameters().named()) {
    const bool head = name.rfind("classifier.", 0) == 0;
    if (head && !(weights.contains(name) && weights.info(name).shape == tensor.shape())) {
      report.fresh.push_back(name);
    } else {
      weights.read_into(name, tensor);
    }
  }
  model.parameters().initialise(seed, model.config().initializer_range, [&](const std::string& name) {
    return std::find(report.fresh.begin(), report.fresh.end(), name) != report.fresh.end();
  });
  model.initialise_adapters(seed);
  report.unused = weights.unused_message();
  return report;
}

}  // namespace lowland

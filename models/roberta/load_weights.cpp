#include "models/roberta/load_weights.h"

#include "models/roberta/family.h"

namespace lowland {

LoadReport load_weights(Roberta& model, WeightMap& weights, uint64_t seed) {
  return load_with_head(model, weights, model.config().initializer_range, seed);
}

LoadReport load_weights(Roberta& model, const std::string& folder, uint64_t seed) {
  WeightMap weights = open_weights(folder, roberta_family());
  return load_weights(model, weights, seed);
}

}  // namespace lowland

#include "models/vit/load_weights.h"

namespace lowland {

LoadReport load_weights(Vit& model, const std::string& folder, uint64_t seed) {
  WeightMap weights(folder, "vision_model");
  return load_with_head(model, weights, {"classifier"}, model.config().initializer_range, seed);
}

}  // namespace lowland

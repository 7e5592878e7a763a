#include "models/llama/load_weights.h"

namespace lowland {

std::string load_weights(Llama& model, WeightMap& weights, uint64_t seed) {
  for (const auto& [name, tensor] : model.parameters().named()) weights.read_into(name, tensor);
  model.initialise_adapters(seed);
  return weights.unused_message();
}

}  // namespace lowland

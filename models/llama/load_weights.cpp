#include "models/llama/load_weights.h"

#include "models/llama/tied_head.h"

namespace lowland {

std::string load_weights(Llama& model, WeightMap& weights, uint64_t seed, const LoadedAdapter* adapter) {
  for (const std::string& name : model.parameters().shared_names()) weights.use(name);
  for (const auto& [name, tensor] : model.parameters().to_fill())
    read_parameter(weights, model.config(), kLlamaEmbedding, adapter, name, tensor);
  model.initialise_adapters(seed);
  return weights.unused_message();
}

}  // namespace lowland

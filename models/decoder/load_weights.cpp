#include "models/decoder/load_weights.h"

#include "models/decoder/tied_head.h"

namespace lowland {

std::string load_weights(Decoder& model, WeightMap& weights, uint64_t seed, const LoadedAdapter* adapter) {
  const DecoderConfig& config = model.config();
  for (const std::string& name : model.parameters().shared_names()) weights.use(name);
  for (const auto& [name, tensor] : model.parameters().to_fill())
    read_parameter(weights, config, config.embedding(), adapter, name, tensor, model.parameters().input_first(name));
  model.initialise_adapters(seed);
  return weights.unused_message();
}

}  // namespace lowland

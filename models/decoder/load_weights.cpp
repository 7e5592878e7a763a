#include "models/decoder/load_weights.h"

#include "models/decoder/tied_head.h"

namespace lowland {

LoadReport load_decoder(Decoder& model, WeightMap& weights, uint64_t seed, const LoadedAdapter* adapter) {
  const DecoderConfig& config = model.config();
  const std::vector<std::string> heads(config.classifies ? 1 : 0, kScore);
  return load_with_head(
      model, weights, heads, config.initializer_range, seed, [&](const std::string& name, const Tensor& into) {
        read_parameter(weights, config, config.embedding(), adapter, name, into, model.parameters().input_first(name));
      });
}

std::string load_weights(Decoder& model, WeightMap& weights, uint64_t seed, const LoadedAdapter* adapter) {
  return load_decoder(model, weights, seed, adapter).unused;
}

}  // namespace lowland

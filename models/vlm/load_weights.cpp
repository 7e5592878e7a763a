#include "models/vlm/load_weights.h"

#include <algorithm>

#include "engine/error.h"
#include "models/decoder/tied_head.h"

namespace lowland {
namespace {

// `name` with the prefix `from` exchanged, or empty if it does not begin so.
std::string moved(const std::string& name, const std::string& from, const std::string& to) {
  return name.starts_with(from) ? to + name.substr(from.size()) : "";
}

// The folder's rows on top, fresh ones below: an embedding that has grown.
void read_grown(WeightMap& weights, const std::string& name, const Tensor& into) {
  const Shape shape = weights.info(name).shape;
  const bool fits =
      shape.size() == into.shape().size() && shape.size() == 2 && shape[1] == into.dim(1) && shape[0] <= into.dim(0);
  LL_CHECK(fits, "tensor `{}` of {} is {}, which does not fit into {}", name, weights.folder(), to_string(shape),
           to_string(into.shape()));
  weights.read_into(name, into.slice_rows(0, shape[0]));
}

// Before anything is read, so that a projector of other towers is not told as a tensor of another shape.
void check_projector(const Vlm& model, const WeightMap& weights) {
  const std::string projector = std::string(kVlmProjector) + ".";
  const int64_t CV = model.config().vision.hidden_size, C = model.config().text.hidden_size;
  for (const std::string layer : {"linear_1", "linear_2"}) {
    const std::string name = projector + layer + ".weight";
    const Shape wanted = {C, layer == "linear_1" ? CV : C};
    LL_CHECK(!weights.contains(name) || weights.info(name).shape == wanted,
             "{}: the projector's {} is {}, but between a vision tower of width {} and a language model of width {} it "
             "must be {}",
             weights.folder(), layer, to_string(weights.info(name).shape), CV, C, to_string(wanted));
  }
}

}  // namespace

std::string load_weights(Vlm& model, WeightMap& weights, uint64_t seed, const LoadedAdapter* adapter) {
  check_projector(model, weights);
  for (const std::string& name : model.parameters().shared_names()) weights.use(name);
  model.parameters().fill([&](const std::string& name, const Tensor& into) {
    read_parameter(weights, model.config().text, kVlmEmbedding, adapter, name, into);
  });
  model.initialise_adapters(seed);
  return weights.unused_message();
}

void load_parts(Vlm& model, const std::string& tower_folder, const std::string& language_folder, uint64_t seed) {
  WeightMap tower(tower_folder, "vision_model"), language(language_folder, "model");
  model.parameters().initialise(seed, model.config().text.initializer_range, [](const std::string&) { return true; });
  for (const auto& [name, tensor] : model.parameters().named()) {
    if (const std::string in_tower = moved(name, kVlmTower, "vision_model"); !in_tower.empty()) {
      tower.read_into(in_tower, tensor);
    } else if (name == "lm_head.weight") {
      read_grown(language, name, tensor);
    } else if (const std::string in_text = moved(name, kVlmLanguage, "model"); !in_text.empty()) {
      if (in_text == "model.embed_tokens.weight")
        read_grown(language, in_text, tensor);
      else
        language.read_into(in_text, tensor);
    }
  }
  model.initialise_adapters(seed);
}

}  // namespace lowland

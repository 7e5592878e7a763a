#include "models/text/text_folder.h"

#include <filesystem>

#include "models/decoder/load_weights.h"
#include "models/decoder/tied_head.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/json_keys.h"
#include "models/llama/kind.h"
#include "models/roberta/family.h"
#include "models/roberta/load_weights.h"

namespace lowland {

std::unique_ptr<TextConfig> text_config_of(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "config.json").string();
  const std::string text = read_model_file(path, 64 << 20), type = JsonKeys(text, path).text("model_type", "");
  if (encoder_kind(type) != nullptr) return std::make_unique<RobertaConfig>(RobertaConfig::from_json(text, path));
  if (type != "gpt2" && llama_kind(type) == nullptr)
    fail("{}: model_type is {}, not one of roberta, bert, distilbert, xlm-roberta, camembert, gpt2, {}", path,
         type.empty() ? "missing" : type, llama_kind_names());
  return read_decoder_config(text, path);
}

void fit_classifier(TextConfig& config, LoadedAdapter& adapter) {
  if (config.causal())
    fit_to_adapter(static_cast<DecoderConfig&>(config), adapter, config.embedding());
  else
    fit_to_adapter(static_cast<RobertaConfig&>(config), adapter);
}

LoadReport load_classifier(TextModel& model, WeightMap& weights, uint64_t seed, const LoadedAdapter* adapter) {
  if (model.config().causal()) return load_decoder(static_cast<Decoder&>(model), weights, seed, adapter);
  return load_weights(static_cast<Roberta&>(model), weights, seed);
}

}  // namespace lowland

#include "models/llama/family.h"

#include "models/decoder/family.h"
#include "models/llama/llama.h"

namespace lowland {

HubFamily llama_family(const LlamaConfig& config) { return decoder_family(config, "model", config.kind().targets); }

std::string LlamaConfig::embedding() const { return kLlamaEmbedding; }
std::string LlamaConfig::classifier_class() const {
  const std::string name = kind().architecture;  // ends in ForCausalLM
  return name.substr(0, name.rfind("For")) + (model_type == "gemma3_text" ? "Text" : "") + "ForSequenceClassification";
}

HubFamily LlamaConfig::family() const { return llama_family(*this); }
std::unique_ptr<Decoder> LlamaConfig::new_model() const { return std::make_unique<Llama>(*this); }

}  // namespace lowland

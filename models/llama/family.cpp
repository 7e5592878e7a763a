#include "models/llama/family.h"

#include "models/decoder/tied_head.h"
#include "models/llama/llama.h"

namespace lowland {

HubFamily llama_family(const LlamaConfig& config) {
  HubFamily family;
  family.base_prefix = "model";
  family.default_targets = config.kind().targets;
  family.tied = config.tie_word_embeddings ? kLlamaEmbedding : "";
  family.task_type = "CAUSAL_LM";
  family.outline = [prefix = family.base_prefix](const std::string& folder, LoadedAdapter& adapter) {
    LlamaConfig of_folder = LlamaConfig::from_folder(folder);
    settle_tied_head(of_folder, folder, prefix, {}, kLlamaEmbedding);
    fit_to_adapter(of_folder, adapter, kLlamaEmbedding);
    return std::make_unique<Llama>(of_folder);
  };
  return family;
}

const char* LlamaConfig::embedding() const { return kLlamaEmbedding; }
HubFamily LlamaConfig::family() const { return llama_family(*this); }
std::unique_ptr<Decoder> LlamaConfig::new_model() const { return std::make_unique<Llama>(*this); }

}  // namespace lowland

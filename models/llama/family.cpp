#include "models/llama/family.h"

namespace lowland {

HubFamily llama_family(const LlamaConfig& config) {
  HubFamily family;
  family.base_prefix = "model";
  family.default_targets = "q_proj,v_proj";
  family.tied = config.tie_word_embeddings ? "model.embed_tokens" : "";
  family.task_type = "CAUSAL_LM";
  return family;
}

}  // namespace lowland

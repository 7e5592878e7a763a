// What a LLaVA says of its files and adapters.
#pragma once
#include "models/hub/family.h"
#include "models/vlm/config.h"

namespace lowland {

// How a part of the model is trained: not at all, by LoRA pairs, or whole (and then saved beside the adapter).
enum class VlmPart { frozen, lora, full };

struct VlmAdapterParts {
  VlmPart tower = VlmPart::frozen, projector = VlmPart::frozen;
  bool old_names = false;  // save adapters in the spelling of transformers before 4.52
};

// Targets that are names, or all-linear, mean modules of the language model (a bare q_proj would name the tower's as
// well) and become one expression over the parts that take pairs; an expression is taken as it is. Of the configuration
// only its text's tie_word_embeddings counts.
HubFamily vlm_family(const VlmAdapterParts& parts = {}, const VlmConfig& config = {});

}  // namespace lowland

#include "models/llama/kind.h"

#include <algorithm>
#include <iterator>

namespace lowland {
namespace {

constexpr LlamaKind llama(const char* model_type, const char* architecture) {
  return {.model_type = model_type,
          .architecture = architecture,
          .targets = "q_proj,v_proj",
          .head_dim = 0,
          .fused = false,
          .head_norms = false,
          .norms_after = false,
          .plus_one = false,
          .gelu = false,
          .scaled_embedding = false};
}

constexpr LlamaKind qwen3() {
  LlamaKind k = llama("qwen3", "Qwen3ForCausalLM");
  k.head_dim = 128;
  k.head_norms = true;
  return k;
}

constexpr LlamaKind phi3() {
  LlamaKind k = llama("phi3", "Phi3ForCausalLM");
  k.targets = "qkv_proj";
  k.fused = true;
  return k;
}

constexpr LlamaKind gemma2() {
  LlamaKind k = llama("gemma2", "Gemma2ForCausalLM");
  k.head_dim = 256;
  k.norms_after = k.plus_one = k.gelu = k.scaled_embedding = true;
  return k;
}

constexpr LlamaKind gemma3() {
  LlamaKind k = gemma2();
  k.model_type = "gemma3_text";
  k.architecture = "Gemma3ForCausalLM";
  k.head_norms = true;
  return k;
}

constexpr LlamaKind kKinds[] = {llama("llama", "LlamaForCausalLM"),
                                llama("mistral", "MistralForCausalLM"),
                                llama("qwen2", "Qwen2ForCausalLM"),
                                qwen3(),
                                phi3(),
                                gemma2(),
                                gemma3()};

}  // namespace

const LlamaKind* llama_kind(const std::string& model_type) {
  const auto* found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                   [&](const LlamaKind& k) { return model_type == k.model_type; });
  return found == std::end(kKinds) ? nullptr : found;
}

std::string llama_kind_names() {
  std::string names;
  for (const LlamaKind& k : kKinds) {
    if (!names.empty()) names += &k + 1 == std::end(kKinds) ? " and " : ", ";
    names += k.model_type;
  }
  return names;
}

}  // namespace lowland

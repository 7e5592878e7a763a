#include "models/gguf/architecture.h"

#include <algorithm>
#include <iterator>

namespace lowland {
namespace {

constexpr GgufArchitecture kArchitectures[] = {{"llama", "llama", "LlamaForCausalLM", false, true, 0},
                                               {"qwen2", "qwen2", "Qwen2ForCausalLM", false, false, 0},
                                               {"qwen3", "qwen3", "Qwen3ForCausalLM", false, false, 0},
                                               {"phi3", "phi3", "Phi3ForCausalLM", false, false, 0},
                                               {"gemma2", "gemma2", "Gemma2ForCausalLM", false, false, 1},
                                               {"gemma3", "gemma3_text", "Gemma3ForCausalLM", false, false, 1},
                                               {"bert", "bert", "BertModel", true, false, 0}};

// Of which networks a row of the names below is.
enum class In : uint8_t { decoders, no_sandwich, sandwich, fused, parts, encoders };

struct Name {
  In in;
  const char *gguf, *hub;
};

// `*` is the layer's number. Sandwich: Gemma's norms before and behind each part. Source: the tensors' names of
// https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/tensor_mapping.py
constexpr Name kNames[] = {{In::decoders, "token_embd", "model.embed_tokens"},
                           {In::decoders, "output_norm", "model.norm"},
                           {In::decoders, "output", "lm_head"},
                           {In::decoders, "blk.*.attn_norm", "model.layers.*.input_layernorm"},
                           {In::parts, "blk.*.attn_q", "model.layers.*.self_attn.q_proj"},
                           {In::parts, "blk.*.attn_k", "model.layers.*.self_attn.k_proj"},
                           {In::parts, "blk.*.attn_v", "model.layers.*.self_attn.v_proj"},
                           {In::parts, "blk.*.attn_q_norm", "model.layers.*.self_attn.q_norm"},
                           {In::parts, "blk.*.attn_k_norm", "model.layers.*.self_attn.k_norm"},
                           {In::fused, "blk.*.attn_qkv", "model.layers.*.self_attn.qkv_proj"},
                           {In::decoders, "blk.*.attn_output", "model.layers.*.self_attn.o_proj"},
                           {In::no_sandwich, "blk.*.ffn_norm", "model.layers.*.post_attention_layernorm"},
                           {In::sandwich, "blk.*.post_attention_norm", "model.layers.*.post_attention_layernorm"},
                           {In::sandwich, "blk.*.ffn_norm", "model.layers.*.pre_feedforward_layernorm"},
                           {In::sandwich, "blk.*.post_ffw_norm", "model.layers.*.post_feedforward_layernorm"},
                           {In::parts, "blk.*.ffn_gate", "model.layers.*.mlp.gate_proj"},
                           {In::parts, "blk.*.ffn_up", "model.layers.*.mlp.up_proj"},
                           {In::fused, "blk.*.ffn_up", "model.layers.*.mlp.gate_up_proj"},
                           {In::decoders, "blk.*.ffn_down", "model.layers.*.mlp.down_proj"},
                           {In::encoders, "token_embd", "bert.embeddings.word_embeddings"},
                           {In::encoders, "position_embd", "bert.embeddings.position_embeddings"},
                           {In::encoders, "token_types", "bert.embeddings.token_type_embeddings"},
                           {In::encoders, "token_embd_norm", "bert.embeddings.LayerNorm"},
                           {In::encoders, "blk.*.attn_q", "bert.encoder.layer.*.attention.self.query"},
                           {In::encoders, "blk.*.attn_k", "bert.encoder.layer.*.attention.self.key"},
                           {In::encoders, "blk.*.attn_v", "bert.encoder.layer.*.attention.self.value"},
                           {In::encoders, "blk.*.attn_output", "bert.encoder.layer.*.attention.output.dense"},
                           {In::encoders, "blk.*.attn_output_norm", "bert.encoder.layer.*.attention.output.LayerNorm"},
                           {In::encoders, "blk.*.ffn_up", "bert.encoder.layer.*.intermediate.dense"},
                           {In::encoders, "blk.*.ffn_down", "bert.encoder.layer.*.output.dense"},
                           {In::encoders, "blk.*.layer_output_norm", "bert.encoder.layer.*.output.LayerNorm"}};

bool is_of(const Name& name, const GgufArchitecture& a) {
  const bool gemma = a.norms_plus != 0, fused = std::string_view(a.name) == "phi3";
  switch (name.in) {
    case In::decoders: return !a.encoder;
    case In::no_sandwich: return !a.encoder && !gemma;
    case In::sandwich: return gemma;
    case In::fused: return fused;
    case In::parts: return !a.encoder && !fused;
    case In::encoders: return a.encoder;
  }
  return false;
}

// The text that `to` is for `text`, where this is `from` with a number for `*`, with .weight, .bias or nothing behind.
std::string spelled(std::string_view text, std::string_view from, std::string_view to) {
  std::string_view tail;
  for (const std::string_view t : {".weight", ".bias"})
    if (text.ends_with(t)) tail = t;
  text.remove_suffix(tail.size());
  const size_t star = from.find('*');
  if (star == std::string_view::npos) return text == from ? std::string(to) + std::string(tail) : "";
  const std::string_view before = from.substr(0, star), after = from.substr(star + 1);
  if (text.size() <= before.size() + after.size() || !text.starts_with(before) || !text.ends_with(after)) return "";
  const std::string_view number = text.substr(before.size(), text.size() - before.size() - after.size());
  if (number.find_first_not_of("0123456789") != std::string_view::npos) return "";
  const size_t at = to.find('*');
  return std::string(to.substr(0, at)) + std::string(number) + std::string(to.substr(at + 1)) + std::string(tail);
}

template <class F> const GgufArchitecture* first_architecture(const F& fits) {
  const auto* found = std::find_if(std::begin(kArchitectures), std::end(kArchitectures), fits);
  return found == std::end(kArchitectures) ? nullptr : found;
}

}  // namespace

std::string GgufArchitecture::hub_name(std::string_view gguf) const {
  for (const Name& n : kNames)
    if (is_of(n, *this))
      if (std::string found = spelled(gguf, n.gguf, n.hub); !found.empty()) return found;
  return "";
}

std::string GgufArchitecture::gguf_name(std::string_view hub) const {
  for (const Name& n : kNames)
    if (is_of(n, *this))
      if (std::string found = spelled(hub, n.hub, n.gguf); !found.empty()) return found;
  return "";
}

const GgufArchitecture* gguf_architecture(const std::string& called) {
  return first_architecture([&](const GgufArchitecture& a) { return called == a.name; });
}

const GgufArchitecture* gguf_architecture_for(const std::string& model_type) {
  const std::string type = model_type == "mistral" ? "llama" : model_type;
  return first_architecture([&](const GgufArchitecture& a) { return type == a.model_type; });
}

std::string gguf_architecture_names() {
  std::string names;
  for (const GgufArchitecture& a : kArchitectures) {
    if (!names.empty()) names += &a + 1 == std::end(kArchitectures) ? " and " : ", ";
    names += a.name;
  }
  return names;
}

}  // namespace lowland

#include "models/hub/config_keys.h"

#include <algorithm>

namespace lowland {
namespace {

// clang-format off
constexpr std::string_view kHarmless[] = {
    "transformers_version", "use_cache", "pretraining_tp", "auto_map", "return_dict", "output_hidden_states",
    "output_attentions", "torchscript", "use_bfloat16", "tf_legacy_loss", "is_encoder_decoder",
    "cross_attention_hidden_size", "tie_encoder_decoder", "max_length", "min_length", "do_sample",
    "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p",
    "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores",
    "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values",
    "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "finetuning_task",
    "id2label", "label2id", "num_labels", "problem_type", "tokenizer_class", "prefix", "sep_token_id",
    "decoder_start_token_id", "task_specific_params", "chunk_size_feed_forward", "_attn_implementation",
    "_attn_implementation_autoset", "attn_implementation", "unsloth_fixed", "unsloth_version", "_commit_hash",
    "max_sequence_length", "output_past", "gradient_checkpointing", "_from_model_config", "_name_or_path",
    "architectures", "dtype", "torch_dtype", "is_decoder"};

struct Unsupported {
  std::string_view key;
  double neutral;  // the number that changes nothing
  const char* what;
};
constexpr Unsupported kUnsupported[] = {
    {"quantization_config", 0, "quantised weights are"},
    {"compression_config", 0, "quantised weights are"},
    {"dual_chunk_attention_config", 0, "dual chunk attention is"},
    {"attention_chunk_size", 0, "attention in chunks is"},
    {"use_bidirectional_attention", 0, "attention in both directions is"},
    {"add_cross_attention", 0, "cross-attention is"},
    {"pruned_heads", 0, "pruned heads are"},
    {"partial_rotary_factor", 1, "rotary positions on a part of each head are"},
    {"rotary_pct", 1, "rotary positions on a part of each head are"},
    {"alibi", 0, "ALiBi positions are"},
    {"use_alibi", 0, "ALiBi positions are"},
    {"parallel_attn", 0, "attention beside the MLP is"},
    {"parallel_residual", 0, "attention beside the MLP is"},
    {"use_parallel_residual", 0, "attention beside the MLP is"},
    {"attn_logit_softcapping", 0, "capped scores are"},
    {"final_logit_softcapping", 0, "capped logits are"},
    {"qk_layernorm", 0, "norms of queries and keys are"},
    {"use_qk_norm", 0, "norms of queries and keys are"},
    {"num_experts", 1, "a mixture of experts is"},
    {"num_local_experts", 1, "a mixture of experts is"},
    {"n_routed_experts", 1, "a mixture of experts is"}};

// Keys that have two names; a file's own name is written.
constexpr std::pair<const char*, const char*> kNames[] = {{"torch_dtype", "dtype"},
                                                          {"image_token_index", "image_token_id"}};
// clang-format on

void change(nlohmann::ordered_json& to, const nlohmann::json& before, const nlohmann::json& now) {
  for (const auto& [key, value] : before.items())
    if (!now.contains(key)) to.erase(key);
  for (const auto& [key, value] : now.items()) {
    if (before.contains(key) && before[key] == value) continue;
    const bool nested = key.ends_with("_config") && value.is_object() && to.contains(key) && to[key].is_object();
    if (nested) {
      change(to[key], before.value(key, nlohmann::json::object()), value);
      continue;
    }
    const auto names =
        std::find_if(std::begin(kNames), std::end(kNames), [&, &of = key](auto& n) { return of == n.first; });
    const bool renamed = names != std::end(kNames) && to.contains(names->second);
    if (!renamed || to.contains(key)) to[key] = value;
    if (renamed) to[names->second] = value;
  }
}

}  // namespace

void refuse_unsupported_keys(const JsonKeys& keys, std::initializer_list<std::string_view> computed) {
  for (const Unsupported& u : kUnsupported) {
    const char* key = u.key.data();
    if (std::find(computed.begin(), computed.end(), u.key) != computed.end() || !keys.has(key)) continue;
    const auto& value = keys.at(key);
    if (is_off(value) || (value.is_number() && value == u.neutral)) continue;
    if (!value.is_object()) keys.refuse(key, fmt::format("is {}: {} not supported", value.dump(), u.what));
    const auto method = value.find("quant_method");
    const bool named = method != value.end() && method->is_string();
    if (u.key == "quantization_config" && named && *method == "bitsandbytes") continue;  // the tensors say how
    keys.refuse(
        key, fmt::format("is set{}: {} not supported", named ? " (" + method->get<std::string>() + ")" : "", u.what));
  }
}

std::string unused_keys(const JsonKeys& keys) {
  std::string list;
  for (const std::string& key : keys.unasked()) {
    if (std::find(std::begin(kHarmless), std::end(kHarmless), key) != std::end(kHarmless)) continue;
    list += (list.empty() ? "" : ", ") + key;
  }
  return list.empty() ? "" : fmt::format("{}: not used: {}", keys.file(), list);
}

std::string json_with_changes(const std::string& original, const nlohmann::json& before, const nlohmann::json& now) {
  auto text = nlohmann::ordered_json::parse(original);
  change(text, before, now);
  return text.dump(2) + "\n";
}

}  // namespace lowland

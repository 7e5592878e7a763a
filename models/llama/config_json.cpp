// LlamaConfig as JSON.
#include <nlohmann/json.hpp>

#include "models/hub/config_keys.h"
#include "models/llama/config.h"

namespace lowland {
namespace {

nlohmann::json rope_json(const LlamaConfig& c) {
  const RopeScaling& s = c.rope_scaling;
  nlohmann::json rope = {{"rope_type", s.type}};
  if (s.type != "default") rope["factor"] = s.factor;
  if (s.type == "llama3") {
    rope["low_freq_factor"] = s.low_freq_factor;
    rope["high_freq_factor"] = s.high_freq_factor;
  }
  if (s.type == "yarn") {
    rope["beta_fast"] = s.beta_fast;
    rope["beta_slow"] = s.beta_slow;
    rope["truncate"] = s.truncate;
  }
  if (s.type == "longrope") {
    rope["short_factor"] = s.short_factor;
    rope["long_factor"] = s.long_factor;
  }
  if (s.type == "yarn" || s.type == "longrope") rope["attention_factor"] = s.attention_factor;
  if (s.type == "yarn" || s.type == "longrope" || s.type == "llama3")
    rope["original_max_position_embeddings"] = s.original_max_position_embeddings;
  return rope;
}

// Version 4 knows max_window_layers, version 5 layer_types as well.
void put_windows(const LlamaConfig& c, nlohmann::json& j) {
  j["sliding_window"] = c.sliding_window > 0 ? nlohmann::json(c.sliding_window) : nlohmann::json(nullptr);
  if (c.model_type != "qwen2") return;
  j["use_sliding_window"] = c.sliding_window > 0;
  if (c.sliding_window == 0) return;
  int64_t first = c.num_hidden_layers;
  while (first > 0 && c.window_of(first - 1) > 0) --first;
  j["max_window_layers"] = first;
  j["layer_types"] = nlohmann::json::array();
  for (int64_t i = 0; i < c.num_hidden_layers; ++i)
    j["layer_types"].push_back(c.window_of(i) > 0 ? "sliding_attention" : "full_attention");
}

std::string class_of(const std::string& model_type) {
  if (model_type == "mistral") return "MistralForCausalLM";
  return model_type == "qwen2" ? "Qwen2ForCausalLM" : "LlamaForCausalLM";
}

}  // namespace

std::string LlamaConfig::to_json() const {
  if (source.empty()) return own_json().dump(2) + "\n";
  return json_with_changes(source, from_json(source, "config.json").own_json(), own_json());
}

nlohmann::json LlamaConfig::own_json() const {
  nlohmann::json j;
  j["architectures"] = architectures.empty() ? std::vector{class_of(model_type)} : architectures;
  j["model_type"] = model_type;
  j["vocab_size"] = vocab_size;
  j["hidden_size"] = hidden_size;
  j["intermediate_size"] = intermediate_size;
  j["num_hidden_layers"] = num_hidden_layers;
  j["num_attention_heads"] = num_attention_heads;
  j["num_key_value_heads"] = num_key_value_heads;
  j["head_dim"] = head_dim;
  j["hidden_act"] = "silu";
  j["max_position_embeddings"] = max_position_embeddings;
  j["rms_norm_eps"] = rms_norm_eps;
  j["rope_theta"] = rope_theta;
  const nlohmann::json rope = rope_json(*this);
  j["rope_scaling"] = rope_scaling.type == "default" ? nlohmann::json(nullptr) : rope;
  j["rope_parameters"] = rope;
  j["rope_parameters"]["rope_theta"] = rope_theta;
  j["tie_word_embeddings"] = tie_word_embeddings;
  j["attention_dropout"] = attention_dropout;
  j["initializer_range"] = initializer_range;
  j["use_cache"] = true;
  if (model_type == "llama") {
    j["attention_bias"] = qkv_bias;
    j["mlp_bias"] = mlp_bias;
  } else {
    put_windows(*this, j);
  }
  const auto id = [](int64_t i) { return i < 0 ? nlohmann::json(nullptr) : nlohmann::json(i); };
  j["bos_token_id"] = id(bos_token_id);
  j["pad_token_id"] = id(pad_token_id);
  j["eos_token_id"] = eos_token_ids.empty()       ? nlohmann::json(nullptr)
                      : eos_token_ids.size() == 1 ? nlohmann::json(eos_token_ids[0])
                                                  : nlohmann::json(eos_token_ids);
  if (!dtype.empty()) j["torch_dtype"] = dtype;
  if (!name_or_path.empty()) j["_name_or_path"] = name_or_path;
  return j;
}

}  // namespace lowland

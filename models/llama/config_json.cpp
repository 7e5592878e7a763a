// LlamaConfig as JSON.
#include <nlohmann/json.hpp>

#include "models/decoder/config_ids.h"
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
  const auto put_types = [&] {
    j["layer_types"] = nlohmann::json::array();
    for (int64_t i = 0; i < c.num_hidden_layers; ++i)
      j["layer_types"].push_back(c.slides.empty() || c.slides[i] ? "sliding_attention" : "full_attention");
  };
  if (c.kind().gelu && !c.slides.empty()) put_types();
  if (c.model_type != "qwen2" && c.model_type != "qwen3") return;
  j["use_sliding_window"] = c.sliding_window > 0;
  if (c.sliding_window == 0) return;
  int64_t first = c.num_hidden_layers;
  while (first > 0 && c.window_of(first - 1) > 0) --first;
  j["max_window_layers"] = first;
  put_types();
}

// Version 4 has one object and a theta for the layers with a window, version 5 an object for each kind of layers.
void put_rope(const LlamaConfig& c, nlohmann::json& j) {
  const nlohmann::json rope = rope_json(c);
  nlohmann::json with_theta = rope;
  with_theta["rope_theta"] = c.rope_theta;
  if (c.model_type == "phi3") with_theta["partial_rotary_factor"] = c.partial_rotary_factor;
  j["rope_theta"] = c.rope_theta;
  j["rope_scaling"] = c.rope_scaling.type == "default" ? nlohmann::json(nullptr) : rope;
  j["rope_parameters"] = with_theta;
  if (c.model_type == "phi3") {
    j["partial_rotary_factor"] = c.partial_rotary_factor;
    const bool scaled = c.rope_scaling.type != "default";
    j["original_max_position_embeddings"] =
        scaled ? c.rope_scaling.original_max_position_embeddings : c.max_position_embeddings;
  }
  if (c.rope_local_base_freq == 0) return;
  j["rope_local_base_freq"] = c.rope_local_base_freq;
  j["rope_parameters"] = {{"full_attention", with_theta},
                          {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", c.rope_local_base_freq}}}};
}

void put_gemma(const LlamaConfig& c, nlohmann::json& j) {
  const auto or_null = [](double x) { return x > 0 ? nlohmann::json(x) : nlohmann::json(nullptr); };
  j["hidden_activation"] = "gelu_pytorch_tanh";
  const auto whole = static_cast<int64_t>(c.query_pre_attn_scalar);  // transformers takes no other
  j["query_pre_attn_scalar"] = whole;
  if (static_cast<double>(whole) != c.query_pre_attn_scalar) j["query_pre_attn_scalar"] = c.query_pre_attn_scalar;
  j["final_logit_softcapping"] = or_null(c.final_logit_softcapping);
  j["attn_logit_softcapping"] = or_null(c.attn_logit_softcapping);
}

}  // namespace

std::string LlamaConfig::to_json() const {
  if (source.empty()) return own_json().dump(2) + "\n";
  return json_with_changes(source, from_json(source, "config.json").own_json(), own_json());
}

nlohmann::json LlamaConfig::own_json() const {
  nlohmann::json j;
  j["architectures"] = architectures.empty() ? std::vector<std::string>{kind().architecture} : architectures;
  j["model_type"] = model_type;
  j["vocab_size"] = vocab_size;
  j["hidden_size"] = hidden_size;
  j["intermediate_size"] = intermediate_size;
  j["num_hidden_layers"] = num_hidden_layers;
  j["num_attention_heads"] = num_attention_heads;
  j["num_key_value_heads"] = num_key_value_heads;
  j["head_dim"] = head_dim;
  if (kind().gelu)
    put_gemma(*this, j);
  else
    j["hidden_act"] = "silu";
  j["max_position_embeddings"] = max_position_embeddings;
  j["rms_norm_eps"] = rms_norm_eps;
  put_rope(*this, j);
  j["tie_word_embeddings"] = tie_word_embeddings;
  j["attention_dropout"] = attention_dropout;
  j["initializer_range"] = initializer_range;
  j["use_cache"] = true;
  if (model_type == "llama") j["mlp_bias"] = mlp_bias;
  if (model_type == "llama" || kind().head_norms || kind().gelu) j["attention_bias"] = qkv_bias;
  if (model_type != "llama") put_windows(*this, j);
  put_token_ids(*this, j);
  if (classifies) put_labels(*this, j);
  if (!dtype.empty()) j["torch_dtype"] = dtype;
  if (!name_or_path.empty()) j["_name_or_path"] = name_or_path;
  return j;
}

}  // namespace lowland

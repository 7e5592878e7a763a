// What follows from a LlamaConfig: its JSON, and the frequencies of its rotary embedding.
#include <cmath>
#include <nlohmann/json.hpp>

#include "models/llama/config.h"

namespace lowland {
namespace {

nlohmann::json rope_json(const LlamaConfig& c) {
  nlohmann::json rope = {{"rope_type", c.rope_scaling.type}};
  if (c.rope_scaling.type != "default") rope["factor"] = c.rope_scaling.factor;
  if (c.rope_scaling.type == "llama3") {
    rope["low_freq_factor"] = c.rope_scaling.low_freq_factor;
    rope["high_freq_factor"] = c.rope_scaling.high_freq_factor;
    rope["original_max_position_embeddings"] = c.rope_scaling.original_max_position_embeddings;
  }
  return rope;
}

std::string class_of(const std::string& model_type) {
  if (model_type == "mistral") return "MistralForCausalLM";
  return model_type == "qwen2" ? "Qwen2ForCausalLM" : "LlamaForCausalLM";
}

}  // namespace

std::string LlamaConfig::to_json() const {
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
    j["sliding_window"] = sliding_window > 0 ? nlohmann::json(sliding_window) : nlohmann::json(nullptr);
  }
  if (model_type == "qwen2") {
    j["use_sliding_window"] = sliding_window > 0;
    if (sliding_window > 0) j["max_window_layers"] = 0;
  }
  const auto id = [](int64_t i) { return i < 0 ? nlohmann::json(nullptr) : nlohmann::json(i); };
  j["bos_token_id"] = id(bos_token_id);
  j["pad_token_id"] = id(pad_token_id);
  j["eos_token_id"] = eos_token_ids.empty()       ? nlohmann::json(nullptr)
                      : eos_token_ids.size() == 1 ? nlohmann::json(eos_token_ids[0])
                                                  : nlohmann::json(eos_token_ids);
  if (!dtype.empty()) j["torch_dtype"] = dtype;
  if (!name_or_path.empty()) j["_name_or_path"] = name_or_path;
  return j.dump(2) + "\n";
}

std::vector<float> rope_frequencies(const LlamaConfig& config) {
  const RopeScaling& s = config.rope_scaling;
  std::vector<float> frequencies;
  for (int64_t i = 0; i < config.head_dim / 2; ++i) {
    const double plain =
        std::pow(config.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim));
    double f = plain;
    if (s.type == "linear") f = plain / s.factor;
    if (s.type == "llama3") {
      const auto original = static_cast<double>(s.original_max_position_embeddings);
      const double length = 2 * M_PI / plain;
      const double t = (original / length - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
      if (length > original / s.low_freq_factor) {
        f = plain / s.factor;
      } else if (length >= original / s.high_freq_factor) {
        f = (1 - t) * plain / s.factor + t * plain;
      }
    }
    frequencies.push_back(static_cast<float>(f));
  }
  return frequencies;
}

}  // namespace lowland

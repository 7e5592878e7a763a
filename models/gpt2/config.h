// Gpt2Config: config.json of a folder of GPT-2 or DialoGPT (model_type gpt2), in transformers' names. Keys that the
// file omits have transformers' defaults; what Lowland does not compute is refused by name.
#pragma once
#include <nlohmann/json_fwd.hpp>

#include "models/decoder/config.h"

namespace lowland {

struct Gpt2Config : DecoderConfig {
  Gpt2Config();  // the smallest GPT-2

  int64_t n_inner = 0;  // width of the MLP; 0: four times hidden_size
  std::string activation_function = "gelu_new";
  double resid_pdrop = 0.1;  // of what attention and MLP give
  double embd_pdrop = 0.1;   // of the embeddings
  double attn_pdrop = 0.1;   // of the probabilities
  double layer_norm_epsilon = 1e-5;
  bool scale_attn_weights = true;                // scores are divided by the root of head_dim,
  bool scale_attn_by_inverse_layer_idx = false;  // and by the number of the layer, from 1

  static Gpt2Config from_json(const std::string& text, const std::string& file_name);
  int64_t ffn() const { return n_inner > 0 ? n_inner : 4 * hidden_size; }
  double attention_scale(int64_t layer) const;
  nlohmann::json own_json() const;

  int64_t max_tokens() const override { return max_position_embeddings; }
  std::string embedding() const override;
  std::string classifier_class() const override { return "GPT2ForSequenceClassification"; }
  std::string to_json() const override;
  HubFamily family() const override;
  std::unique_ptr<Decoder> new_model() const override;
  std::unique_ptr<DecoderConfig> copy() const override { return std::make_unique<Gpt2Config>(*this); }
};

}  // namespace lowland

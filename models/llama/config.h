// LlamaConfig: config.json of a folder of Llama 2 to 3.2, TinyLlama, Mistral, Qwen2, Qwen2.5, Qwen3, Phi-3, Gemma 2 or
// Gemma 3 (text), in the spellings of transformers 4 and 5. Keys that the file omits have transformers' defaults for
// its model_type. A setting that would change the network in a way Lowland does not compute is refused by name; of a
// key that it does not know, and transformers neither, a note is kept.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "models/decoder/config.h"
#include "models/llama/kind.h"

namespace lowland {

// How the frequencies of the rotary embedding are made from theta.
struct RopeScaling {
  std::string type = "default";  // default | linear | dynamic | llama3 | yarn | longrope
  double factor = 1;             // all but default
  // Positions that the model was trained on before its rope was scaled: llama3, yarn, longrope.
  int64_t original_max_position_embeddings = 8192;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  double beta_fast = 32, beta_slow = 1;              // yarn
  bool truncate = true;                              // yarn
  std::vector<double> short_factor, long_factor;     // longrope: (HD/2) each
  double attention_factor = 1;                       // yarn, longrope: of all cosines and sines
};

struct LlamaConfig : DecoderConfig {  // model_type: one of models/llama/kind.cpp
  LlamaConfig();                      // Llama 2 7B's sizes

  int64_t intermediate_size = 11008;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  RopeScaling rope_scaling;
  double partial_rotary_factor = 1;  // of each head's columns, the first ones, that are rotated
  double rope_local_base_freq = 0;   // theta of the layers that have the window, unscaled; 0: as of all others
  double query_pre_attn_scalar = 0;  // scores are divided by its root; 0: head_dim
  bool qkv_bias = false,
       output_bias = false;  // attention's: Qwen2 has the first, Llama's attention_bias means both
  bool mlp_bias = false;
  int64_t sliding_window = 0;  // positions that attention looks back on, the own included; 0: all
  std::vector<bool> slides;    // which layers have the window; empty: all
  double attention_dropout = 0;

  static LlamaConfig from_json(const std::string& text, const std::string& file_name);
  static LlamaConfig from_folder(const std::string& folder);
  // The file that was read, with what has changed since; without one, transformers 4 spelling, with version 5's
  // rope_parameters and layer_types beside it. Ends in a newline.
  std::string to_json() const override;
  nlohmann::json own_json() const;  // the second of these in any case

  const LlamaKind& kind() const { return *llama_kind(model_type); }
  int64_t max_tokens() const override;
  std::string embedding() const override;
  std::string classifier_class() const override;
  HubFamily family() const override;
  std::unique_ptr<Decoder> new_model() const override;
  std::unique_ptr<DecoderConfig> copy() const override { return std::make_unique<LlamaConfig>(*this); }
  int64_t window_of(int64_t layer) const;  // sliding_window of a layer; 0: none
  int64_t rope_limit() const;              // longer texts have frequencies of their own
  int64_t rotary_dim() const;              // columns of a head that are rotated
  bool local(int64_t layer) const;         // its rope is that of rope_local_base_freq
};

// f_i of kernels/rope.h for a text of `length` tokens, i < HD / 2, rounded to f32 as in transformers. With HD the
// rotary_dim() and theta_i = theta^(2 i / HD):
//   default   1 / theta_i      linear   1 / (factor theta_i)
//   dynamic   beyond max_position_embeddings M (the rope_limit) theta grows by
//             (factor length / M - factor + 1)^(HD / (HD - 2))
//   llama3    wave length 2 pi theta_i: shorter than original / high as it is, longer than original / low over
//             `factor`, between them blended by t = (original / length - low) / (high - low)
//   yarn      blended from 1 / theta_i to 1 / (factor theta_i), between the i whose waves turn beta_fast and beta_slow
//             times within original (whole numbers if `truncate`)
//   longrope  1 / (s_i theta_i), s short_factor up to `original` (the rope_limit), long_factor beyond
// Lengths up to rope_limit() give the same.
std::vector<float> rope_frequencies(const LlamaConfig& config, int64_t length = 0);
std::vector<float> local_rope_frequencies(const LlamaConfig& config);  // of the layers that have rope_local_base_freq

}  // namespace lowland

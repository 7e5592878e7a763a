// LlamaConfig: config.json of a folder of Llama 2 to 3.2, TinyLlama, Mistral, Qwen2, Qwen2.5, Qwen3, Phi-3, Gemma 2 or
// Gemma 3 (text), in the spellings of transformers 4 and 5. Keys that the file omits have transformers' defaults for
// its model_type. A setting that would change the network in a way Lowland does not compute is refused by name; of a
// key that it does not know, and transformers neither, a note is kept.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

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

struct LlamaConfig {
  std::string model_type = "llama";  // one of models/llama/kind.cpp
  int64_t vocab_size = 32000;
  int64_t hidden_size = 4096;
  int64_t intermediate_size = 11008;
  int64_t num_hidden_layers = 32;
  int64_t num_attention_heads = 32;
  int64_t num_key_value_heads = 32;
  int64_t head_dim = 128;
  int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  RopeScaling rope_scaling;
  double partial_rotary_factor = 1;    // of each head's columns, the first ones, that are rotated
  double rope_local_base_freq = 0;     // theta of the layers that have the window, unscaled; 0: as of all others
  double query_pre_attn_scalar = 0;    // scores are divided by its root; 0: head_dim
  double attn_logit_softcapping = 0;   // cap of the scores; 0: none
  double final_logit_softcapping = 0;  // cap of the logits; 0: none
  bool tie_word_embeddings = false;
  bool qkv_bias = false,
       output_bias = false;  // attention's: Qwen2 has the first, Llama's attention_bias means both
  bool mlp_bias = false;
  bool head_apart = false;     // tied in the folder, but not here: an adapter holds one of the two whole
  int64_t sliding_window = 0;  // positions that attention looks back on, the own included; 0: all
  std::vector<bool> slides;    // which layers have the window; empty: all
  double attention_dropout = 0;
  double initializer_range = 0.02;
  int64_t bos_token_id = -1, pad_token_id = -1;  // -1: none
  std::vector<int32_t> eos_token_ids;            // one, several or none
  std::string dtype;                             // "float32", "bfloat16", ... as the file says; empty if it does not
  std::string name_or_path;                      // `_name_or_path`
  std::vector<std::string> architectures;
  std::vector<std::string> notes;  // sentences on what the file says and nobody uses
  std::string source;              // the file's text; empty if there is none

  static LlamaConfig from_json(const std::string& text, const std::string& file_name);
  static LlamaConfig from_folder(const std::string& folder);
  // The file that was read, with what has changed since; without one, transformers 4 spelling, with version 5's
  // rope_parameters and layer_types beside it. Ends in a newline.
  std::string to_json() const;
  nlohmann::json own_json() const;  // the second of these in any case

  const LlamaKind& kind() const { return *llama_kind(model_type); }
  bool own_head() const { return !tie_word_embeddings || head_apart; }
  int64_t max_tokens() const;              // longest segment
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

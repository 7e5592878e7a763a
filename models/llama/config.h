// LlamaConfig: config.json of a folder of Llama 2, 3, 3.1, 3.2, TinyLlama, Mistral, Qwen2 or Qwen2.5, in the
// spellings of transformers 4 and 5. Keys that the file omits have transformers' defaults for its model_type.
// A setting that would change the network in a way Lowland does not compute, and a key it does not know, are
// refused by name: a config that exists is one the model computes exactly.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lowland {

// How the frequencies of the rotary embedding are made from theta.
struct RopeScaling {
  std::string type = "default";                      // default | linear | llama3
  double factor = 1;                                 // linear, llama3
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  int64_t original_max_position_embeddings = 8192;   // llama3
};

struct LlamaConfig {
  std::string model_type = "llama";  // llama | mistral | qwen2
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
  bool tie_word_embeddings = false;
  bool qkv_bias = false,
       output_bias = false;  // attention's: Qwen2 has the first, Llama's attention_bias means both
  bool mlp_bias = false;
  bool head_apart = false;     // tied in the folder, but not here: an adapter holds one of the two whole
  int64_t sliding_window = 0;  // positions that attention looks back on, the own included; 0: all
  double attention_dropout = 0;
  double initializer_range = 0.02;
  int64_t bos_token_id = -1, pad_token_id = -1;  // -1: none
  std::vector<int32_t> eos_token_ids;            // one, several or none
  std::string dtype;                             // "float32", "bfloat16", ... as the file says; empty if it does not
  std::string name_or_path;                      // `_name_or_path`
  std::vector<std::string> architectures;

  static LlamaConfig from_json(const std::string& text, const std::string& file_name);
  static LlamaConfig from_folder(const std::string& folder);
  // transformers 4 spelling, with version 5's rope_parameters beside it. Ends in a newline.
  std::string to_json() const;

  bool own_head() const { return !tie_word_embeddings || head_apart; }
  // Longest segment: within it a sliding window hides nothing.
  int64_t max_tokens() const {
    return sliding_window > 0 && sliding_window < max_position_embeddings ? sliding_window : max_position_embeddings;
  }
};

// f_i of kernels/rope.h, i < head_dim / 2, rounded to f32 as in transformers.
//   default   theta^(-2 i / head_dim)      linear   the same over `factor`
//   llama3    wave length 2 pi / f: shorter than original / high as it is, longer than original / low over
//   `factor`,
//             between them blended by t = (original / length - low) / (high - low)
std::vector<float> rope_frequencies(const LlamaConfig& config);

}  // namespace lowland

// LlamaKind: where the decoders of several model types part, which are one network otherwise. A further one is a row of
// the table in kind.cpp, and its defaults and keys in config.cpp.
#pragma once
#include <cstdint>
#include <string>

namespace lowland {

struct LlamaKind {
  const char* model_type;
  const char* architecture;  // transformers' class
  const char* targets;       // peft's default where it has one
  int64_t head_dim;          // of a file that does not say; 0: hidden_size / num_attention_heads

  bool fused;             // q, k and v are one module, qkv_proj; gate and up another, gate_up_proj
  bool head_norms;        // q_norm and k_norm of each head, before the rotary embedding
  bool norms_after;       // what attention and MLP give is normalised before it is added
  bool plus_one;          // norms scale by 1 + weight
  bool gelu;              // the gate goes through gelu by tanh, not through silu
  bool scaled_embedding;  // embeddings are multiplied by the root of hidden_size
};

// By the model_type of a config.json; null for another one.
const LlamaKind* llama_kind(const std::string& model_type);
std::string llama_kind_names();  // "llama, mistral, ... and gemma3_text"

}  // namespace lowland

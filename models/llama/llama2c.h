// A file of llama2.c as a Llama.
#pragma once
#include <cstdint>
#include <string>

#include "models/llama/llama.h"

namespace lowland {

// llama2.c's `.bin`, version 0: seven i32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size,
// seq_len; a negative vocab_size means a head of its own), then the tensors in f32. Its rotary embedding
// turns adjacent pairs: the rows of q and k are put into rotate-half order. Source: export.py and run.c of
// https://github.com/karpathy/llama2.c
bool is_llama2c_file(const std::string& path);  // a file named .bin, where a folder would be
LlamaConfig read_llama2c_config(const std::string& path);
// Returns the fingerprint of the folder that `convert` makes of it (models/hub/base_model.h).
std::string load_llama2c(Llama& model, const std::string& path, uint64_t seed);

}  // namespace lowland

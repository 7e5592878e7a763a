// Weights into a decoder: of a Hugging Face folder; into a Llama of a file of llama2.c, too.
#pragma once
#include <cstdint>
#include <string>

#include "models/hub/peft_adapter.h"
#include "models/hub/weight_map.h"
#include "models/llama/llama.h"

namespace lowland {

// Fills every parameter from the folder, shard by shard, each tensor straight into its place; new adapters
// get LoRA's initialisation. Returns one line on the folder's tensors that the model has no place for, or
// nothing. adapter: what it brings in another shape is left for it (null: none). REQUIRES materialise(). Throws Error
// that names a missing tensor, or one of another shape.
std::string load_weights(Decoder& model, WeightMap& weights, uint64_t seed, const LoadedAdapter* adapter = nullptr);

// llama2.c's `.bin`, version 0: seven i32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size,
// seq_len; a negative vocab_size means a head of its own), then the tensors in f32. Its rotary embedding
// turns adjacent pairs: the rows of q and k are put into rotate-half order. Source: export.py and run.c of
// https://github.com/karpathy/llama2.c
bool is_llama2c_file(const std::string& path);  // a file named .bin, where a folder would be
LlamaConfig read_llama2c_config(const std::string& path);
// Returns the fingerprint of the folder that `convert` makes of it (models/hub/base_model.h).
std::string load_llama2c(Llama& model, const std::string& path, uint64_t seed);

}  // namespace lowland

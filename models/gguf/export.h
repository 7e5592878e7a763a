// Adapters and models as GGUF files, for llama.cpp and what is built on it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "models/hub/family.h"

namespace lowland {

struct GgufReport {
  int64_t tensors = 0;
  std::vector<std::string> notes;  // lines on what is other than it was asked for
};

// The adapter as llama.cpp's LoRA file, in f32: A and B of each module, rows of B in the order of the base's, and one
// alpha for all, s r; where modules differ in s r, B takes the difference. base: a folder, a GGUF file or a name
// (resolve_model_folder). Throws Error on what such a file has no place for, by name: modules held whole, pairs of
// embeddings and of a head that is the embedding, trained biases and rows; and as merge_adapter does.
GgufReport export_gguf_adapter(const std::string& base, const std::string& adapter, const std::string& out,
                               const HubFamily& family);

// The model with its adapter (empty: by itself) merged in, in one file with tokenizer and chat template. type: f32,
// f16, bf16, q8_0 or q4_0, of matrices whose rows blocks fill; others are f16, vectors f32, and of a q4_0 file
// embedding and head are q8_0. Every number is rounded once, from the merged one in f32. Throws Error on a
// configuration or a tokenizer that llama.cpp does not compute.
GgufReport export_gguf_model(const std::string& base, const std::string& adapter, const std::string& type,
                             const std::string& out, const HubFamily& family);

}  // namespace lowland

// A GGUF file of a model, as the Hugging Face folder that it could be: tensors under that folder's names, and texts for
// its small files. Readers of such files open "MODEL.gguf/config.json" by the two functions below, as they would open
// it in a folder.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/io/gguf.h"

namespace lowland {

bool is_gguf_path(const std::string& path);  // a regular file named so

// The file, or all parts of a split one in order (MODEL-00001-of-00003.gguf, of which any may be named). Tensors have
// Hugging Face's names, rows of q and k their order; with_buffers: also rope_freqs and the like, under their own. Error
// on a part that is missing, an architecture that is not supported, and on a tensor without a place.
std::vector<std::shared_ptr<const GgufFile>> open_gguf_model(const std::string& path, bool with_buffers = false);

// Whether there is such a file, in a folder or "in" a GGUF file: config.json, generation_config.json,
// tokenizer_config.json, and one of tokenizer.json, tokenizer.model and vocab.txt.
bool model_file_exists(const std::filesystem::path& path);
// All of it. Error where it cannot be read, or is larger than `limit`.
std::string read_model_file(const std::filesystem::path& path, size_t limit = size_t{1} << 30);
bool is_in_gguf(const std::filesystem::path& path);  // MODEL.gguf/NAME

}  // namespace lowland

// The tokenizer of a GGUF file as Hugging Face's files.
#pragma once
#include <string>

#include "engine/io/gguf_metadata.h"

namespace lowland {

// Of tokenizer.json (tokenizer.ggml.model gpt2), tokenizer.model (llama), vocab.txt (bert), tokenizer_config.json (with
// the chat template) and generation_config.json: those that the file's metadata make.
bool has_tokenizer_text(const GgufMetadata& keys, const std::string& name);
// Error on a tokenizer that is not reproduced, and on lists that do not fit one another. REQUIRES has_tokenizer_text.
std::string tokenizer_text(const GgufMetadata& keys, const std::string& name);

}  // namespace lowland

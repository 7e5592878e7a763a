// Hugging Face model folders: where they are.
#pragma once
#include <string>

namespace lowland {

// The folder that `--model` means: a folder, a GGUF file (models/gguf/gguf_model.h) or a folder that holds one and no
// config.json, else a name in the local Hugging Face cache (HF_HUB_CACHE, else
// $HF_HOME/hub, else ~/.cache/huggingface/hub). The Error for an unknown one tells how to download it.
std::string resolve_model_folder(const std::string& model);

// Whether a file is there; what cannot be looked at is none.
bool is_file(const std::string& path);

}  // namespace lowland

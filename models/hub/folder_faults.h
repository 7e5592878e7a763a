// What a folder is that is no model folder, or a broken one, in a sentence that says what to do.
#pragma once
#include <string>

namespace lowland {

inline constexpr const char* kWeightsFile = "model.safetensors";
inline constexpr const char* kTorchWeightsFile = "pytorch_model.bin";
inline constexpr const char* kWeightsIndex = ".index.json";  // behind either: where which shard's tensors are

// Throws Error for a folder of which a reader would take only a part in silence: a link that leads nowhere (a cache of
// the Hub whose blobs are gone) in place of a configuration, tokenizer or safetensors file; LLaVA in its first layout.
void check_model_folder(const std::string& folder);

// Why `missing` ("config.json", "the weights of an adapter") is not in the folder: a link that leads nowhere, a
// download
// that was not finished, shards without their index, or what else it is: an adapter, a GGUF file, Meta's files of a
// Llama, weights of TensorFlow or Flax. Empty where nothing tells.
std::string why_not_there(const std::string& folder, const std::string& missing);

// The sentence for a name in a folder that is not there as a file, "" unless it is a link that leads nowhere.
std::string broken_link(const std::string& path);

}  // namespace lowland

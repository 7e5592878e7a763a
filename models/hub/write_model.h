// Writing a Hugging Face model folder.
#pragma once
#include <string>
#include <vector>

#include "engine/io/safetensors_writer.h"
#include "nn/parameter.h"

namespace lowland {

// Writes config.json and the weights (each in its own dtype; `model.safetensors`, or shards and an index like
// those of transformers if they are larger than max_shard_bytes) into the existing folder. Put an
// AtomicDirectory around it.
void write_model_files(const std::string& folder, const std::string& config_json,
                       const std::vector<NamedTensor>& tensors, size_t max_shard_bytes = 5'000'000'000);

// Every parameter as files hold it. After materialise().
std::vector<NamedTensor> tensors_to_write(const nn::ParameterSet& parameters);

// Copies what belongs to a model besides its weights and config.json, unchanged: tokenizer, processor,
// generation and chat template files; of a GGUF file those that it stands for. Returns their names.
std::vector<std::string> copy_companion_files(const std::string& from, const std::string& to);

// Of these a tokenizer's only, with its chat template, or a processor's of pictures.
void copy_tokenizer_files(const std::string& from, const std::string& to);
void copy_processor_files(const std::string& from, const std::string& to);
// Whether the folder holds a tokenizer that loads by itself, and a chat template in a file of its own. False for "".
bool has_tokenizer(const std::string& folder);
bool has_chat_template(const std::string& folder);

// Copies every file and folder of a model besides config.json, its weights and weights in other formats (.bin, .gguf,
// .h5, ...), which a program would take for the model's. Hidden files are left.
void copy_other_files(const std::string& from, const std::string& to);

}  // namespace lowland

// The names of tensors in an adapter's file, as peft 0.3 to today and raw state dictionaries spell them.
#pragma once
#include <string>
#include <vector>

namespace lowland {

inline constexpr const char* kAdapterKeyPrefix = "base_model.model.";

struct AdapterKey {
  enum class What : uint8_t {
    lora_a,     // MODULE.lora_A.weight
    lora_b,     // MODULE.lora_B.weight
    table_a,    // MODULE.lora_embedding_A
    table_b,    // MODULE.lora_embedding_B
    magnitude,  // MODULE.lora_magnitude_vector
    whole,      // a tensor of modules_to_save, plainly: classifier.dense.weight
    wrapped,    // MODULE.modules_to_save.default.weight: the same a second time, beside the plain one
    base,       // MODULE.base_layer.weight: of the base, which peft saves beside the pair of an embedding
    original,   // MODULE.original_module.weight: of the base, beside a module that is saved whole
    tokens,     // MODULE.token_adapter.trainable_tokens_delta: rows of the module's weight
    unknown
  };
  What what = What::unknown;
  std::string module;  // the module that has the pair; of a tensor of the base empty
  std::string name;    // the tensor in the model: classifier.dense.weight
};

// The name that an adapter has in keys such as MODULE.lora_A.default.weight; empty where it was left out, as in what
// peft itself saves. Throws Error, naming `file`, on several.
std::string adapter_name_in(const std::vector<std::string>& keys, const std::string& file);

// The key without what FSDP and torch.compile put into names.
std::string plain_key(std::string key);

// key: without kAdapterKeyPrefix. adapter: adapter_name_in all keys.
AdapterKey read_adapter_key(const std::string& key, const std::string& adapter);

}  // namespace lowland

// GgufArchitecture: a model family as llama.cpp names it, its tensors and modules, and how they differ from Hugging
// Face's. A further one is a row of the table in architecture.cpp, and its keys in config_json.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace lowland {

struct GgufArchitecture {
  const char* name;        // general.architecture
  const char* model_type;  // of the config.json that stands for it
  const char* hub_class;   // transformers' class
  bool encoder;            // BERT's names, else a decoder's
  bool paired;             // rows of q and k lie in pairs (engine/io/row_order.h)
  float norms_plus;        // added to the weights of norms

  // "model.layers.3.self_attn.q_proj.weight" of "blk.3.attn_q.weight", and the other way round; modules likewise, as
  // "model.norm" of "output_norm". Empty: it has no such thing.
  std::string hub_name(std::string_view gguf) const;
  std::string gguf_name(std::string_view hub) const;
};

const GgufArchitecture* gguf_architecture(const std::string& name);            // null: not supported
const GgufArchitecture* gguf_architecture_for(const std::string& model_type);  // likewise
std::string gguf_architecture_names();                                         // "llama, qwen2, ... and bert"

}  // namespace lowland

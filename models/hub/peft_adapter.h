// LoRA adapter folders as peft reads and writes them: adapter_config.json, adapter_model.safetensors (or
// adapter_model.bin, which is read only), and beside them README.md and lowland.json (models/hub/adapter_card.h).
//
// Keys on disk: base_model.model.MODULE.lora_A.weight (R, in), .lora_B.weight (out, R), of an embedding
// .lora_embedding_A (R, V), .lora_embedding_B (C, R), of DoRA besides .lora_magnitude_vector (out), and the tensors of
// modules_to_save plainly, as base_model.model.classifier.dense.weight; models/hub/adapter_keys.h tells other
// spellings. peft itself loads with strict=False, so that a wrong name gives the base model's output in silence; here
// every tensor must be understood, and every writer reads back what it wrote (models/hub/write_adapter.h).
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "models/hub/adapter_card.h"
#include "models/hub/adapter_keys.h"
#include "models/hub/peft_config.h"
#include "models/hub/weight_map.h"

namespace lowland {

inline constexpr const char* kAdapterConfigFile = "adapter_config.json";
inline constexpr const char* kAdapterWeightsFile = "adapter_model.safetensors";
inline constexpr const char* kAdapterTorchFile = "adapter_model.bin";  // read where there is no other

// y += scale * B (A x). Of an embedding (table), whose weight is (V, C), it is W + scale * B A, too: in C, out V.
struct LoraFactors {
  std::string module;  // "roberta.encoder.layer.0.attention.self.query"
  int64_t rank = 0, in = 0, out = 0;
  double scale = 0;                   // from the config; ignored where an adapter is written
  std::vector<float> a;               // (rank, in)
  std::vector<float> b;               // (out, rank)
  std::vector<float> magnitude = {};  // (out) of DoRA (kernels/dora.h); empty: none
  bool table = false;
};

struct HeadTensor {
  std::string name;  // "classifier.dense.weight"
  Shape shape;
  std::vector<float> values;
};

// An adapter as host values: what a folder holds, or what is collected from a model (models/hub/adapter.h).
struct LoadedAdapter {
  std::string folder;  // where it was read, for errors
  AdapterConfig config;
  std::optional<AdapterCard> card;   // of lowland.json; another program writes none
  std::vector<LoraFactors> modules;  // sorted by name
  std::vector<HeadTensor> head;      // what is saved whole, and trained biases, sorted by name
  // Tensors of the base itself. peft saves them beside the pair of an embedding or output layer, and of a vocabulary
  // that was resized: they take the place of the base's. `originals`: those of modules that are saved whole, too.
  std::vector<HeadTensor> stored, originals;
  // Of trainable_token_indices: rows of a table in the order of the config's indices, under the table's name.
  std::vector<HeadTensor> tokens;
  std::string tied_head;  // an output layer that reads the embedding's pair (ensure_weight_tying); empty: none
  const LoraFactors* find(const std::string& module) const;    // null if absent
  const HeadTensor* find_head(const std::string& name) const;  // null if absent
  // The last matrix of a task head called classifier or score, as those of transformers are: (classes, width). Null
  // without one.
  const HeadTensor* find_classes() const;
  // Orders modules and head as declared.
  void sort();
};

// (rows, columns) -> (columns, rows)
std::vector<float> transposed(const std::vector<float>& x, int64_t rows, int64_t columns);

// The name of an embedding or an output layer, as a part of tensor names: peft saves them of its own accord.
bool is_vocabulary_module(const std::string& module);

// Error, naming file and tensor, if a tensor is not understood, an A or B lacks its partner, a module is not
// one the config targets, or a rank in the tensors is not the config's. f16 and bf16 files are read as f32.
// `rename`, if given, gives today's name for a module or tensor in an older spelling; the config is then held
// against the names in the file, and made to name the modules one by one where it does not fit today's names.
LoadedAdapter load_adapter(const std::string& folder, const Rename& rename = {});

struct LinearModule {
  std::string name;
  int64_t in = 0, out = 0;
  ModuleKind kind = ModuleKind::linear;
};

// Error unless each adapter module is one of the model's, with the same sizes, and each of the model's that the config
// targets is in the adapter.
void check_adapter_fits(const LoadedAdapter& adapter, const std::vector<LinearModule>& model);

// The adapter under other names, for readers that know an older spelling. Its targets must name them too, as an
// expression that fits both spellings does; they are made a list of the modules where they do not.
LoadedAdapter renamed(LoadedAdapter adapter, const Rename& rename);

}  // namespace lowland

// A decoder's configuration as GGUF metadata: the other way round from config_json.h.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "engine/io/gguf_writer.h"
#include "models/gguf/architecture.h"
#include "models/llama/config.h"

namespace lowland {

// The row of the table for a configuration. Error that names a model type which llama.cpp has no architecture for here.
const GgufArchitecture& architecture_for(const LlamaConfig& config);

struct GgufBuffers {
  std::vector<std::pair<std::string, std::vector<float>>> tensors;  // rope_freqs.weight and the like
  std::vector<std::string> notes;                                   // lines on what the file does not say
};

// Appends every key of the architecture. Error on a setting that llama.cpp would not compute.
GgufBuffers put_model_keys(GgufKeys& keys, const LlamaConfig& config);

}  // namespace lowland

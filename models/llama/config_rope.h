// The rotary embedding of a LlamaConfig, whose model_type and sizes are read.
#pragma once
#include "models/hub/json_keys.h"
#include "models/llama/config.h"

namespace lowland {

void read_rope(const JsonKeys& keys, LlamaConfig& c);

}  // namespace lowland

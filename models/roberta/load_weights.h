// The weights of a Hugging Face folder into an encoder.
#pragma once
#include <cstdint>
#include <string>

#include "models/hub/load_with_head.h"
#include "models/roberta/roberta.h"

namespace lowland {

// As load_with_head; a folder saved from the bare encoder will do. BERT's pooler is drawn anew only where it is
// trained, for an adapter does not keep what is frozen: else a folder without it is an Error.
LoadReport load_weights(Roberta& model, WeightMap& weights, uint64_t seed);
LoadReport load_weights(Roberta& model, const std::string& folder, uint64_t seed);

}  // namespace lowland

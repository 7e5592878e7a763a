// The weights of a Hugging Face folder into a RoBERTa.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "models/hub/hub_folder.h"
#include "models/roberta/roberta.h"

namespace lowland {

struct LoadReport {
  std::vector<std::string> fresh;  // head tensors that the folder lacks or has in another shape: drawn from the seed
  std::string unused;              // one line on the folder's tensors that the model has no place for; may be empty
};

// Fills every parameter; a classification head that the folder lacks gets fresh values. The new adapters, if there are
// any, get LoRA's initialisation. Fresh values depend on the seed and the tensor's name only. REQUIRES materialise().
// Throws Error that names a missing tensor of the encoder, or one of another shape.
LoadReport load_weights(Roberta& model, WeightMap& weights, uint64_t seed);
LoadReport load_weights(Roberta& model, const std::string& folder, uint64_t seed);

}  // namespace lowland

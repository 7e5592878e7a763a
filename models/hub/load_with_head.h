// Filling a model whose head may be new: what all families do alike.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/hub/weight_map.h"
#include "nn/model.h"

namespace lowland {

struct LoadReport {
  std::vector<std::string> fresh;  // head tensors that the folder lacks or has in another shape: drawn from the seed
  std::string unused;              // one line on the folder's tensors that the model has no place for; may be empty
};

// Fills every parameter; one of the modules `heads` that the folder lacks, or has in another shape, gets fresh values
// of standard deviation `std`. The new adapters, if there are any, get LoRA's initialisation. Fresh values depend on
// the seed and the tensor's name only. REQUIRES materialise(). Throws Error that names any other missing tensor, or one
// of another shape.
// read: how a parameter is read (absent: as it stands in the folder).
LoadReport load_with_head(nn::Model& model, WeightMap& weights, const std::vector<std::string>& heads, double std,
                          uint64_t seed,
                          const std::function<void(const std::string& name, const Tensor& into)>& read = {});

}  // namespace lowland

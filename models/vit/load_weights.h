// The weights of a Hugging Face folder into a Vit.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "models/hub/hub_folder.h"
#include "models/vit/vit.h"

namespace lowland {

struct VitLoadReport {
  std::vector<std::string> fresh;  // classifier tensors that the folder lacks or has in another shape: from the seed
  std::string unused;              // one line on the folder's tensors that the model has no place for; may be empty
};

// Fills every parameter from a folder of a tower alone, of a whole CLIP or of an image classifier; new adapters get
// LoRA's initialisation. REQUIRES materialise(), a model by itself. Throws Error that names a missing tensor of the
// tower, or one of another shape.
VitLoadReport load_weights(Vit& model, const std::string& folder, uint64_t seed);

}  // namespace lowland

// The weights of a Hugging Face folder into a Vit.
#pragma once
#include <cstdint>
#include <string>

#include "models/hub/load_with_head.h"
#include "models/vit/vit.h"

namespace lowland {

// As load_with_head, from a folder of a tower alone, of a whole CLIP or of an image classifier. REQUIRES a model by
// itself, not the tower of another one.
LoadReport load_weights(Vit& model, const std::string& folder, uint64_t seed);

}  // namespace lowland

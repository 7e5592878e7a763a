// Weights into a Vlm: of one LLaVA folder, or of a tower's and a language model's, to which the projector is new.
#pragma once
#include <cstdint>
#include <string>

#include "models/hub/peft_adapter.h"
#include "models/hub/weight_map.h"
#include "models/vlm/vlm.h"

namespace lowland {

// Fills every parameter from the folder, which open_weights opens with vlm_family in any spelling; new adapters get
// LoRA's initialisation. Returns one line on the folder's tensors that the model has no place for, or nothing. REQUIRES
// materialise(). Throws Error that names a missing tensor, or one of another shape, as of a projector that does not fit
// its tower. adapter: as for a Llama.
std::string load_weights(Vlm& model, WeightMap& weights, uint64_t seed, const LoadedAdapter* adapter = nullptr);

// Fills the tower from a CLIP or image classifier folder, the decoder from a Llama folder, and draws the projector
// anew. A decoder with more rows in its embedding than the folder has (for the image token) gets fresh ones, a
// function of the seed. REQUIRES materialise().
void load_parts(Vlm& model, const std::string& tower_folder, const std::string& language_folder, uint64_t seed);

}  // namespace lowland

// The weights of a Hugging Face folder into a decoder.
#pragma once
#include <cstdint>
#include <string>

#include "models/decoder/decoder.h"
#include "models/hub/load_with_head.h"
#include "models/hub/peft_adapter.h"
#include "models/hub/weight_map.h"

namespace lowland {

// Fills every parameter from the folder, shard by shard, each tensor straight into its place; new adapters get LoRA's
// initialisation, and a classifier's head that the folder lacks fresh values. The second returns one line on the
// folder's tensors that the model has no place for, or nothing. adapter: what it brings in another shape is left for it
// (null: none). REQUIRES materialise(). Throws Error that names a missing tensor, or one of another shape.
LoadReport load_decoder(Decoder& model, WeightMap& weights, uint64_t seed, const LoadedAdapter* adapter = nullptr);
std::string load_weights(Decoder& model, WeightMap& weights, uint64_t seed, const LoadedAdapter* adapter = nullptr);

}  // namespace lowland

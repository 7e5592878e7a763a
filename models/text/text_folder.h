// A folder of a network that classifies texts, whichever family it is of.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "models/hub/load_with_head.h"
#include "models/hub/peft_adapter.h"
#include "models/text/text_model.h"

namespace lowland {

// The configuration of the encoder or decoder that config.json's model_type names. Throws Error on one that is not
// known, and as the network's own reader does.
std::unique_ptr<TextConfig> text_config_of(const std::string& folder);

// What an adapter changes in the shape of its base: the rows of its vocabulary.
void fit_classifier(TextConfig& config, LoadedAdapter& adapter);

// Fills a classifier as load_with_head does. adapter: what it brings in another shape is left for it (null: none).
LoadReport load_classifier(TextModel& model, WeightMap& weights, uint64_t seed, const LoadedAdapter* adapter = nullptr);

}  // namespace lowland

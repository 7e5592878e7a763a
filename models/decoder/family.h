// What all decoders say of their files and adapters.
#pragma once
#include <string>

#include "models/decoder/config.h"
#include "models/hub/family.h"

namespace lowland {

// base_prefix: of the names of the network without its head. Of the configuration count tie_word_embeddings, for what
// may be trained in full, and whether it classifies. Of a folder that is merged the adapter tells the latter.
HubFamily decoder_family(const DecoderConfig& config, const std::string& base_prefix, const std::string& targets);

}  // namespace lowland

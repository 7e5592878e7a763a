// What the readers and writers of all decoders' config.json do alike.
#pragma once
#include <nlohmann/json_fwd.hpp>

#include "models/decoder/config.h"
#include "models/hub/json_keys.h"

namespace lowland {

// bos_token_id, pad_token_id and eos_token_id, which may be one id, a list or null. Error on one outside the
// vocabulary.
void read_token_ids(const JsonKeys& keys, DecoderConfig& config);
void put_token_ids(const DecoderConfig& config, nlohmann::json& json);
// dtype, _name_or_path and architectures; the labels of a classifier.
void read_provenance(const JsonKeys& keys, DecoderConfig& config);

}  // namespace lowland

// Keys of a config.json that a reader does not know: of another architecture, or of a setting that it would ignore.
#pragma once
#include <span>
#include <string_view>

#include "models/hub/json_keys.h"

namespace lowland {

// Error that names the first key which is neither in `read` nor one of those that transformers writes into every config
// and that say nothing about what the network computes. A setting that is off (null, false) is let pass.
void refuse_unknown_keys(const JsonKeys& keys, std::span<const std::string_view> read);

}  // namespace lowland

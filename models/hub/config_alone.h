// A folder with a configuration and no weights: enough to plan a run.
#pragma once
#include <optional>
#include <string>

#include "kernels/common/dtype.h"

namespace lowland {

// False: a folder without weights in any of the files that WeightMap opens.
bool has_weights(const std::string& folder);

// How a configuration says that bitsandbytes quantised the matrices (quantization_config); absent: it does not. Where
// there are weights, they have the last word.
std::optional<DType> bitsandbytes_type(const std::string& config_json);

}  // namespace lowland

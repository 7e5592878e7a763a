// The head of a safetensors file: what stands before its data.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"

namespace lowland {

// As SafetensorsWriter writes it for this plan, which is put into the order of writing, with begin and end. path: for
// errors, which are the writer's.
std::string safetensors_head(const std::string& path, std::vector<TensorInfo>& plan,
                             const std::map<std::string, std::string>& metadata);

}  // namespace lowland

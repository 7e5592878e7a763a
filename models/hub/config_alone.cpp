#include "models/hub/config_alone.h"

#include <nlohmann/json.hpp>

#include "models/gguf/gguf_model.h"
#include "models/hub/folder_faults.h"
#include "models/hub/hub_folder.h"

namespace lowland {

bool has_weights(const std::string& folder) {
  const auto there = [&](const std::string& name) {
    return is_file(folder + "/" + name) || is_file(folder + "/" + name + kWeightsIndex);
  };
  return is_gguf_path(folder) || there(kWeightsFile) || there(kTorchWeightsFile);
}

std::optional<DType> bitsandbytes_type(const std::string& config_json) {
  const nlohmann::json config = nlohmann::json::parse(config_json, nullptr, false);
  if (!config.is_object() || !config.contains("quantization_config")) return std::nullopt;
  const nlohmann::json& how = config["quantization_config"];
  const auto is = [&](const char* key, const nlohmann::json& value) {
    return how.is_object() && how.contains(key) && how[key] == value;
  };
  if (is("load_in_8bit", true)) return DType::int8;
  if (!is("load_in_4bit", true) || !is("bnb_4bit_quant_type", "nf4")) return std::nullopt;
  return is("bnb_4bit_use_double_quant", true) ? DType::nf4_nested : DType::nf4;
}

}  // namespace lowland

// VitConfig: config.json of a CLIP vision transformer, in the spellings of transformers 4 and 5: of a tower alone
// (clip_vision_model) or of a whole CLIP or image classifier (clip), whose vision_config counts. Keys that the file
// omits have CLIP's defaults. Settings that would change the network in a way Lowland does not compute are refused by
// name.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace lowland {

class JsonKeys;

enum class GeluForm : uint8_t { erf, quick };

struct VitConfig {
  int64_t hidden_size = 768;
  int64_t intermediate_size = 3072;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t num_channels = 3;
  int64_t image_size = 224;  // side of the square images, in pixels, that the positions are learnt for
  int64_t patch_size = 32;
  int64_t projection_dim = 512;  // of CLIP's common space: kept for whoever reads the file
  GeluForm activation = GeluForm::quick;
  double layer_norm_eps = 1e-5;
  double attention_dropout = 0;
  double initializer_range = 0.02;

  // Of an image classifier: the names of its classes, in the order of its outputs.
  std::vector<std::string> labels;
  std::string dtype;         // "float32", "bfloat16", ... as the file says; empty if it does not
  std::string name_or_path;  // `_name_or_path`

  static VitConfig from_json(const std::string& text, const std::string& file_name);
  static VitConfig from_folder(const std::string& folder);
  // The keys of a vision_config, read as they stand.
  static VitConfig from_keys(const JsonKeys& keys);
  // An image classifier's file (CLIPForImageClassification). Ends in a newline.
  std::string to_json() const;
  nlohmann::json vision_json() const;

  int64_t head_dim() const { return hidden_size / num_attention_heads; }
  int64_t side() const { return image_size / patch_size; }  // patches along one side
  int64_t patches() const { return side() * side(); }       // NP
};

}  // namespace lowland

#include "models/vit/config.h"

#include <filesystem>

#include "engine/io/atomic_file.h"
#include "models/hub/config_keys.h"

namespace lowland {
namespace {

void check_sizes(const JsonKeys& keys, const VitConfig& c) {
  const std::pair<const char*, int64_t> sizes[] = {{"hidden_size", c.hidden_size},
                                                   {"intermediate_size", c.intermediate_size},
                                                   {"num_hidden_layers", c.num_hidden_layers},
                                                   {"num_attention_heads", c.num_attention_heads},
                                                   {"num_channels", c.num_channels},
                                                   {"image_size", c.image_size},
                                                   {"patch_size", c.patch_size},
                                                   {"projection_dim", c.projection_dim}};
  for (const auto& [key, value] : sizes)
    if (value < 1 || value > (int64_t{1} << 20)) keys.refuse(key, fmt::format("is {}", value));
  if (c.hidden_size % c.num_attention_heads != 0)
    keys.refuse("hidden_size",
                fmt::format("is {}, not a multiple of num_attention_heads, {}", c.hidden_size, c.num_attention_heads));
  if (c.patch_size > c.image_size)
    keys.refuse("patch_size", fmt::format("is {}, larger than image_size, {}", c.patch_size, c.image_size));
  if (!(c.layer_norm_eps > 0)) keys.refuse("layer_norm_eps", "must be above 0");
  if (!(c.attention_dropout >= 0 && c.attention_dropout < 1))
    keys.refuse("attention_dropout", fmt::format("is {}, outside [0, 1)", c.attention_dropout));
}

// A number, or the same one for both sides.
int64_t side_of(const JsonKeys& keys, const char* key, int64_t otherwise) {
  if (!keys.has(key) || !keys.at(key).is_array()) return keys.whole(key, otherwise);
  const auto& sides = keys.at(key);
  const bool square = sides.size() == 2 && sides[0] == sides[1] && sides[0].is_number_integer();
  if (!square) keys.refuse(key, fmt::format("is {}: only squares are supported", sides.dump()));
  return sides[0].get<int64_t>();
}

GeluForm read_activation(const JsonKeys& keys) {
  const std::string name = keys.text("hidden_act", "quick_gelu");
  if (name != "quick_gelu" && name != "gelu")
    keys.refuse("hidden_act", fmt::format("is {}; quick_gelu and gelu are supported", name));
  return name == "gelu" ? GeluForm::erf : GeluForm::quick;
}

std::vector<std::string> read_labels(const JsonKeys& keys) {
  if (!keys.has("id2label")) return {};
  const auto& map = keys.at("id2label");
  if (!map.is_object() || map.empty()) keys.refuse("id2label", "does not map ids to labels");
  std::vector<std::string> labels;
  for (size_t i = 0; i < map.size(); ++i) {
    const auto label = map.find(std::to_string(i));
    if (label == map.end())
      keys.refuse("id2label", fmt::format("has {} ids, but not 0 to {}", map.size(), map.size() - 1));
    labels.push_back(label->is_string() ? label->get<std::string>() : label->dump());
  }
  return labels;
}

}  // namespace

VitConfig VitConfig::from_keys(const JsonKeys& keys) {
  const std::string type = keys.text("model_type", "clip_vision_model");
  if (type != "clip_vision_model")
    keys.refuse("model_type", fmt::format("is {}; the vision tower must be a clip_vision_model", type));
  refuse_unsupported_keys(keys);
  // Of the text tower beside it, or of how weights are drawn.
  keys.know({"dropout", "initializer_factor", "vocab_size", "bos_token_id", "eos_token_id", "pad_token_id"});
  VitConfig c;
  c.hidden_size = keys.whole("hidden_size", c.hidden_size);
  c.intermediate_size = keys.whole("intermediate_size", c.intermediate_size);
  c.num_hidden_layers = keys.whole("num_hidden_layers", c.num_hidden_layers);
  c.num_attention_heads = keys.whole("num_attention_heads", c.num_attention_heads);
  c.num_channels = keys.whole("num_channels", c.num_channels);
  c.image_size = side_of(keys, "image_size", c.image_size);
  c.patch_size = side_of(keys, "patch_size", c.patch_size);
  c.projection_dim = keys.whole("projection_dim", c.projection_dim);
  c.activation = read_activation(keys);
  c.layer_norm_eps = keys.number("layer_norm_eps", c.layer_norm_eps);
  c.attention_dropout = keys.number("attention_dropout", c.attention_dropout);
  c.initializer_range = keys.number("initializer_range", c.initializer_range);
  c.dtype = keys.text("dtype", keys.text("torch_dtype", ""));  // version 5, version 4
  c.name_or_path = keys.text("_name_or_path", "");
  check_sizes(keys, c);
  if (const std::string unused = unused_keys(keys); !unused.empty()) c.notes.push_back(unused);
  return c;
}

VitConfig VitConfig::from_json(const std::string& text, const std::string& file_name) {
  const JsonKeys keys(text, file_name);
  const std::string type = keys.text("model_type", "");
  if (type == "clip_vision_model") {
    VitConfig c = from_keys(keys);
    c.source = text;
    return c;
  }
  if (type != "clip")
    fail("{}: model_type is {}; clip and clip_vision_model are supported", file_name, type.empty() ? "missing" : type);
  // Old files have vision_config_dict as well, which wins whole.
  const char* key = keys.has("vision_config_dict") ? "vision_config_dict" : "vision_config";
  const std::string vision = keys.has(key) ? keys.at(key).dump() : "{}";
  VitConfig c = from_keys(JsonKeys(vision, fmt::format("{}: {}", file_name, key)));
  refuse_unsupported_keys(keys);
  keys.know({"vision_config", "text_config", "text_config_dict", "projection_dim", "logit_scale_init_value",
             "initializer_factor"});
  c.labels = read_labels(keys);
  c.dtype = keys.text("dtype", keys.text("torch_dtype", c.dtype));
  c.name_or_path = keys.text("_name_or_path", c.name_or_path);
  if (const std::string unused = unused_keys(keys); !unused.empty()) c.notes.push_back(unused);
  c.source = text;
  return c;
}

VitConfig VitConfig::from_folder(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "config.json").string();
  return from_json(read_file(path, 64 << 20), path);
}

nlohmann::json VitConfig::vision_json() const {
  nlohmann::json j;
  j["model_type"] = "clip_vision_model";
  j["hidden_size"] = hidden_size;
  j["intermediate_size"] = intermediate_size;
  j["num_hidden_layers"] = num_hidden_layers;
  j["num_attention_heads"] = num_attention_heads;
  j["num_channels"] = num_channels;
  j["image_size"] = image_size;
  j["patch_size"] = patch_size;
  j["projection_dim"] = projection_dim;
  j["hidden_act"] = activation == GeluForm::quick ? "quick_gelu" : "gelu";
  j["layer_norm_eps"] = layer_norm_eps;
  j["attention_dropout"] = attention_dropout;
  j["initializer_range"] = initializer_range;
  return j;
}

std::string VitConfig::to_json() const {
  if (source.empty()) return own_json().dump(2) + "\n";
  return json_with_changes(source, from_json(source, "config.json").own_json(), own_json());
}

nlohmann::json VitConfig::own_json() const {
  nlohmann::json j;
  j["architectures"] = {"CLIPForImageClassification"};
  j["model_type"] = "clip";
  j["vision_config"] = vision_json();
  j["text_config"] = {{"model_type", "clip_text_model"}};  // an image classifier has no text tower
  for (size_t i = 0; i < labels.size(); ++i) {
    j["id2label"][std::to_string(i)] = labels[i];
    j["label2id"][labels[i]] = i;
  }
  if (!dtype.empty()) j["torch_dtype"] = dtype;
  if (!name_or_path.empty()) j["_name_or_path"] = name_or_path;
  return j;
}

}  // namespace lowland

#include "models/vlm/config.h"

#include <filesystem>

#include "engine/io/atomic_file.h"
#include "models/hub/config_keys.h"

namespace lowland {
namespace {

// LLaVA's defaults where the file has no vision_config.
VitConfig llava_tower() {
  VitConfig c;
  c.hidden_size = 1024;
  c.intermediate_size = 4096;
  c.num_hidden_layers = 24;
  c.num_attention_heads = 16;
  c.image_size = 336;
  c.patch_size = 14;
  c.projection_dim = 768;
  return c;
}

VitConfig read_tower(const JsonKeys& keys, const std::string& file) {
  if (!keys.has("vision_config")) return llava_tower();
  if (!keys.at("vision_config").is_object()) keys.refuse("vision_config", "is not an object");
  return VitConfig::from_keys(JsonKeys(keys.at("vision_config").dump(), file + ": vision_config"));
}

LlamaConfig read_decoder(const JsonKeys& keys, const std::string& file) {
  nlohmann::ordered_json text = nlohmann::ordered_json::object();
  if (keys.has("text_config")) text = keys.at("text_config");
  if (!text.is_object()) keys.refuse("text_config", "is not an object");
  if (!text.contains("model_type")) text["model_type"] = "llama";
  // Version 5 states tying for the whole, version 4 for the decoder: either suffices.
  if (keys.flag("tie_word_embeddings", false)) text["tie_word_embeddings"] = true;
  return LlamaConfig::from_json(text.dump(), file + ": text_config");
}

void read_projector(const JsonKeys& keys, VlmConfig& c) {
  const std::string activation = keys.text("projector_hidden_act", "gelu");
  if (activation != "gelu")
    keys.refuse("projector_hidden_act", fmt::format("is {}; only gelu is supported", activation));
  c.projector_bias = keys.flag("multimodal_projector_bias", true);
  const std::string strategy = keys.text("vision_feature_select_strategy", "default");
  if (strategy != "default" && strategy != "full")
    keys.refuse("vision_feature_select_strategy", fmt::format("is {}, neither default nor full", strategy));
  c.keep_class_token = strategy == "full";
  if (keys.has("vision_feature_layer") && keys.at("vision_feature_layer").is_array())
    keys.refuse("vision_feature_layer", "names several layers; one is supported");
  c.vision_feature_layer = keys.whole("vision_feature_layer", c.vision_feature_layer);
  const int64_t L = c.vision.num_hidden_layers, layer = c.vision_feature_layer;
  if (layer < -(L + 1) || layer > L)
    keys.refuse("vision_feature_layer", fmt::format("is {}, but the tower has {} layers", layer, L));
}

}  // namespace

VlmConfig VlmConfig::from_json(const std::string& text, const std::string& file_name) {
  const JsonKeys keys(text, file_name);
  const std::string type = keys.text("model_type", "");
  if (type != "llava") fail("{}: model_type is {}; llava is supported", file_name, type.empty() ? "missing" : type);
  refuse_unsupported_keys(keys);
  // The parts or the tokenizer say these again.
  keys.know({"image_seq_length", "ignore_index", "vocab_size", "hidden_size", "initializer_range", "bos_token_id",
             "eos_token_id", "pad_token_id"});
  VlmConfig c;
  c.vision = read_tower(keys, file_name);
  c.text = read_decoder(keys, file_name);
  read_projector(keys, c);
  // Version 5 has image_token_id beside or instead of image_token_index.
  c.image_token_id = keys.whole("image_token_id", keys.whole("image_token_index", c.image_token_id));
  if (c.image_token_id < 0 || c.image_token_id >= c.text.vocab_size)
    keys.refuse("image_token_index",
                fmt::format("is {}, outside the vocabulary of {}", c.image_token_id, c.text.vocab_size));
  c.dtype = keys.text("dtype", keys.text("torch_dtype", ""));
  c.name_or_path = keys.text("_name_or_path", "");
  for (const auto* part : {&c.vision.notes, &c.text.notes}) c.notes.insert(c.notes.end(), part->begin(), part->end());
  if (const std::string unused = unused_keys(keys); !unused.empty()) c.notes.push_back(unused);
  c.source = text;
  return c;
}

VlmConfig VlmConfig::from_folder(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "config.json").string();
  return from_json(read_file(path, 64 << 20), path);
}

namespace {

nlohmann::json own_json(const VlmConfig& c) {
  nlohmann::json j;
  j["architectures"] = {"LlavaForConditionalGeneration"};
  j["model_type"] = "llava";
  j["vision_config"] = c.vision.vision_json();
  j["text_config"] = c.text.own_json();
  j["image_token_index"] = c.image_token_id;
  j["image_seq_length"] = c.image_tokens();
  j["vision_feature_layer"] = c.vision_feature_layer;
  j["vision_feature_select_strategy"] = c.keep_class_token ? "full" : "default";
  j["projector_hidden_act"] = "gelu";
  j["multimodal_projector_bias"] = c.projector_bias;
  j["tie_word_embeddings"] = c.text.tie_word_embeddings;
  if (c.text.pad_token_id >= 0) j["pad_token_id"] = c.text.pad_token_id;
  if (!c.dtype.empty()) j["torch_dtype"] = c.dtype;
  if (!c.name_or_path.empty()) j["_name_or_path"] = c.name_or_path;
  return j;
}

}  // namespace

std::string VlmConfig::to_json() const {
  if (!source.empty()) return json_with_changes(source, own_json(from_json(source, "config.json")), own_json(*this));
  nlohmann::json j = own_json(*this);
  if (!text.source.empty()) j["text_config"] = nlohmann::json::parse(text.to_json());
  return j.dump(2) + "\n";
}

}  // namespace lowland

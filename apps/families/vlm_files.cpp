// Files that transformers wants beside a LLaVA or a vision tower.
#include <nlohmann/json.hpp>

#include "apps/families/vlm.h"
#include "engine/io/atomic_file.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

void add_to_tokenizer_json(const fs::path& file, int64_t id) {
  auto j = nlohmann::json::parse(read_file(file.string()));
  for (const auto& token : j["added_tokens"])
    if (token.at("content") == kImageText) return;
  j["added_tokens"].push_back({{"id", id},
                               {"content", kImageText},
                               {"single_word", false},
                               {"lstrip", false},
                               {"rstrip", false},
                               {"normalized", false},
                               {"special", true}});
  write_file_atomically(file.string(), j.dump() + "\n");
}

}  // namespace

void add_image_token(const fs::path& folder, const VlmConfig& config) {
  nlohmann::ordered_json j;
  j["processor_class"] = "LlavaProcessor";
  j["patch_size"] = config.vision.patch_size;
  j["vision_feature_select_strategy"] = config.keep_class_token ? "full" : "default";
  j["num_additional_image_tokens"] = 1;
  j["image_token"] = kImageText;
  write_file_atomically((folder / "processor_config.json").string(), j.dump(2) + "\n");
  if (fs::exists(folder / "tokenizer.json")) {
    add_to_tokenizer_json(folder / "tokenizer.json", config.image_token_id);
  } else if (!fs::exists(folder / "vocab.json")) {
    return;
  }
  write_file_atomically((folder / "added_tokens.json").string(),
                        nlohmann::json{{kImageText, config.image_token_id}}.dump(2) + "\n");
  const fs::path map = folder / "special_tokens_map.json";
  nlohmann::ordered_json special = nlohmann::ordered_json::object();
  if (fs::exists(map)) special = nlohmann::ordered_json::parse(read_file(map.string()));
  special["additional_special_tokens"] = {kImageText};
  write_file_atomically(map.string(), special.dump(2) + "\n");
}

std::string clip_processor_json(int64_t side) {
  const ImageSettings clip = ImageSettings::clip(side);
  nlohmann::ordered_json j;
  j["image_processor_type"] = "CLIPImageProcessor";
  j["do_convert_rgb"] = true;
  j["do_resize"] = true;
  j["size"] = {{"shortest_edge", side}};
  j["resample"] = 3;  // Pillow's bicubic
  j["do_center_crop"] = true;
  j["crop_size"] = {{"height", side}, {"width", side}};
  j["do_rescale"] = true;
  j["rescale_factor"] = clip.rescale_factor;
  j["do_normalize"] = true;
  j["image_mean"] = clip.mean;
  j["image_std"] = clip.std;
  return j.dump(2) + "\n";
}

}  // namespace lowland::apps

#include "apps/vlm/session.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/common/progress.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/hub/hub_folder.h"
#include "models/hub/write_model.h"
#include "models/vlm/names.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

bool begins(const std::string& name, const char* prefix) { return name.starts_with(std::string(prefix) + "."); }

VlmPart part_of(const char* flag, const std::string& value) {
  if (value == "frozen") return VlmPart::frozen;
  if (value == "lora") return VlmPart::lora;
  LL_CHECK(value == "full", "--{} must be frozen, lora or full, got {}", flag, value);
  return VlmPart::full;
}

bool contains(const std::vector<std::string>& list, const std::string& what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

bool pairs_in(const LoadedAdapter& adapter, const char* part) {
  return std::any_of(adapter.modules.begin(), adapter.modules.end(),
                     [&](const LoraFactors& f) { return begins(f.module, part); });
}

// The processor's pictures must be what the tower takes.
void check_picture_size(const VlmSession& session) {
  const ImageProcessor processor(session.image_settings);
  const int64_t side = session.config.vision.image_size;
  LL_CHECK(processor.height() == side && processor.width() == side,
           "the image processor of {} makes pictures of {} x {} pixels, the vision tower takes {} x {}",
           session.vision_folder.empty() ? session.folder : session.vision_folder, processor.width(),
           processor.height(), side, side);
}

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

// `<image>` as a special token of the tokenizer, and the processor that puts it in, for transformers.
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

}  // namespace

HubFamily family_of(const Settings& s) {
  return vlm_family(
      {.tower = part_of("tower", s.tower), .projector = part_of("projector", s.projector), .old_names = s.old_names});
}

VlmSession::VlmSession(Settings given) : settings(std::move(given)) {
  take_run(settings, 1024);
  if (settings.task.empty()) settings.task = "vqa";
  family_of(settings);  // refuses parts that cannot be
  if (settings.model.empty() && !settings.vision_model.empty()) {
    read_parts();
  } else {
    read_folder();
  }
  LL_CHECK(tokenizer->vocab_size() <= config.text.vocab_size, "{}: the tokenizer has {} ids, the model {}", folder,
           tokenizer->vocab_size(), config.text.vocab_size);
  if (!settings.adapter.empty()) take_adapter();
  prompt = image_prompt_of(settings.prompt_style);
  check_picture_size(*this);
  trains_whole = [this](const std::string& name) { return !begins(name, kVlmTower) || settings.tower == "full"; };
  context = make_context(settings);
}

void VlmSession::read_folder() {
  LL_CHECK(!settings.model.empty(), "--model names the base checkpoint, and is missing");
  folder = resolve_model_folder(settings.model);
  config = VlmConfig::from_folder(folder);
  tokenizer = load_tokenizer(settings.tokenizer.empty() ? folder : settings.tokenizer);
  image_settings = ImageSettings::from_folder(folder);
}

void VlmSession::read_parts() {
  LL_CHECK(!settings.language_model.empty(), "--language-model names the language model, and is missing");
  LL_CHECK(settings.adapter.empty(), "--adapter needs --model: an adapter is of one base");
  folder = resolve_model_folder(settings.language_model);
  vision_folder = resolve_model_folder(settings.vision_model);
  config.vision = VitConfig::from_folder(vision_folder);
  config.vision.labels.clear();
  config.text = LlamaConfig::from_folder(folder);
  tokenizer = load_tokenizer(settings.tokenizer.empty() ? folder : settings.tokenizer);
  image_settings = ImageSettings::from_folder(vision_folder);
  config.image_token_id = tokenizer->id_of(kImageText);
  if (config.image_token_id < 0)
    config.image_token_id = std::max<int64_t>(config.text.vocab_size, tokenizer->vocab_size());
  config.text.vocab_size = std::max(config.text.vocab_size, config.image_token_id + 1);
  config.text.architectures.clear();
}

void VlmSession::take_adapter() {
  adapter = load_adapter(settings.adapter, new_vlm_name);
  take_adapter_settings(*adapter, settings);
  const Settings defaults, given = settings;
  const auto agree = [&](const char* flag, std::string Settings::*member) {
    LL_CHECK(given.*member == defaults.*member || given.*member == settings.*member,
             "--{} {}: the adapter {} was made with --{} {}", flag, given.*member, settings.adapter, flag,
             settings.*member);
  };
  if (adapter->card && !adapter->card->prompt_style.empty()) settings.prompt_style = adapter->card->prompt_style;
  settings.projector = pairs_in(*adapter, kVlmProjector) ? "lora" : "frozen";
  settings.tower = pairs_in(*adapter, kVlmTower) ? "lora" : "frozen";
  const std::vector<std::string>& whole = adapter->config.modules_to_save;
  for (const std::string& module : whole)
    LL_CHECK(module == "multi_modal_projector" || module == "vision_tower",
             "{}: {} is saved whole beside the adapter, which this program does not read", settings.adapter, module);
  if (contains(whole, "multi_modal_projector")) settings.projector = "full";
  if (contains(whole, "vision_tower")) settings.tower = "full";
  agree("prompt-style", &Settings::prompt_style);
  agree("projector", &Settings::projector);
  agree("tower", &Settings::tower);
}

int64_t VlmSession::longest() const { return std::min(settings.max_length, config.text.max_tokens()); }

std::unique_ptr<Vlm> VlmSession::new_model(const Settings& like, bool for_training) const {
  LL_CHECK(like.modules_to_save.empty(),
           "--modules-to-save {}: of this model, --projector full and --tower full train whole parts",
           like.modules_to_save);
  if (adapter && for_training) check_trains_on(*adapter);
  auto made = std::make_unique<Vlm>(config);
  const bool full = like.method == "full" && !adapter;
  if (full && for_training) {
    made->train([&](const std::string& name) { return trains_whole(name) && made->reads(name); });
  } else if (adapter || for_training) {
    attach_adapter(*made, adapter_settings(like), family_of(like), adapter ? &*adapter : nullptr);
  }
  made->set_recompute(like.recompute == "block");
  made->set_frozen_dtype(weights_dtype(like, *context));
  return made;
}

void VlmSession::build_model(bool for_training) {
  if (!model) model = new_model(settings, for_training);
  if (for_training && !adapter) settings.targets = family_of(settings).targets_of(settings.targets);
  model->set_recompute(settings.recompute == "block");  // --recompute auto was decided after it was made
  model->materialise(*context, compute_dtype(settings, *context));
  load_weights();
}

void VlmSession::load_weights() {
  if (settings.random_init) {
    LL_CHECK(!adapter, "--random-init and --adapter contradict each other");
    const auto seed = static_cast<uint64_t>(settings.seed);
    model->parameters().initialise(seed, config.text.initializer_range, [](const std::string&) { return true; });
    model->initialise_adapters(seed);
    base_ = {folder, base_model_name(settings.base_model_name, folder),
             fmt::format("random weights, seed {}", settings.seed)};
    return;
  }
  if (from_parts()) return load_parts(*model, vision_folder, folder, static_cast<uint64_t>(settings.seed));
  WeightMap weights = open_weights(folder, vlm_family());
  base_ = base_of(weights, settings.base_model_name);
  if (adapter) check_base(*adapter, base_);
  const std::string unused = lowland::load_weights(*model, weights, static_cast<uint64_t>(settings.seed));
  if (!unused.empty()) say(unused);
  if (adapter) fill_adapter(*model, *adapter);
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

// A folder for transformers: weights in the spelling that every version reads.
void VlmSession::write_folder(const fs::path& into) const {
  VlmConfig written = config;
  written.dtype = "float32";
  std::vector<std::pair<std::string, Tensor>> tensors = model->parameters().named();
  for (auto& [name, tensor] : tensors) name = old_vlm_name(name);
  write_model_files(into.string(), written.to_json(), tensors);
  if (from_parts()) copy_companion_files(vision_folder, into.string());
  copy_companion_files(folder, into.string());
  if (from_parts()) add_image_token(into, config);
}

void VlmSession::write_result(const fs::path& into) const {
  if (settings.method == "full") {
    write_folder(into);
    return;
  }
  LoadedAdapter out = collect_adapter(*model, adapter_settings(settings), family_of(settings), base_);
  out.card->max_length = longest();
  out.card->prompt_style = settings.prompt_style;
  out.card->method_json = method_json(settings);
  write_adapter_files(into.string(), std::move(out));
}

}  // namespace lowland::apps

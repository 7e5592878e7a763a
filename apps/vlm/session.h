// Session: what the verbs of lowland-vlm load and share: base, tokenizer, image processor, adapter, model with its
// weights.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "apps/common/adapter_io.h"
#include "apps/common/session_parts.h"
#include "models/images/image_processor.h"
#include "models/tokenizers/tokenizer.h"
#include "models/vlm/encode_images.h"
#include "models/vlm/family.h"
#include "models/vlm/load_weights.h"

namespace lowland::apps {

class VlmSession {
 public:
  // Fills settings in from --run and --adapter, reads configuration, tokenizer and processor. Loads no weights. Without
  // --model, --vision-model and --language-model become one model, to which the projector is new.
  explicit VlmSession(Settings settings);

  Settings settings;
  std::unique_ptr<Context> context;
  std::string folder;         // of the base, or of the language model
  std::string vision_folder;  // of the vision tower, if the base is put together from parts
  VlmConfig config;
  std::unique_ptr<Tokenizer> tokenizer;
  ImageSettings image_settings;
  ImagePrompt prompt;
  std::optional<LoadedAdapter> adapter;  // from --adapter, under today's names
  std::unique_ptr<Vlm> model;

  // Which parameters --method full trains: all, the tower's by --tower, unless told otherwise.
  std::function<bool(const std::string& name)> trains_whole;

  // The model for method, tower and projector of such settings, without memory.
  std::unique_ptr<Vlm> new_model(const Settings& like, bool for_training) const;
  // Makes the model if it is not there, gives it memory, fills it from checkpoint and adapter.
  void build_model(bool for_training);
  // Longest example in tokens that both the settings and the model's positions allow.
  int64_t longest() const;

  // What goes into RUN/adapter or RUN/model.
  void write_result(const std::filesystem::path& into) const;
  std::string result_folder() const { return settings.method == "full" ? "model" : "adapter"; }

 private:
  bool from_parts() const { return !vision_folder.empty(); }
  void read_folder();
  void read_parts();
  void take_adapter();
  void load_weights();
  void write_folder(const std::filesystem::path& into) const;

  BaseModel base_;
};

// By --tower, --projector and --old-names.
HubFamily family_of(const Settings& settings);

// preprocessor_config.json of transformers' CLIPImageProcessor for square pictures.
std::string clip_processor_json(int64_t side);

}  // namespace lowland::apps

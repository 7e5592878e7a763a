// What the flags of a vision-language model say besides what every session's do.
#pragma once
#include <string>

#include "apps/settings/settings.h"

namespace lowland::apps {

// Questions about pictures: which, and how they are asked.
struct QuestionSettings {
  std::string task, data, image_dir, instruction, scienceqa_format = "letter", cache_features, columns;
  std::string prompt_style = "hf", overlong = "cut";
  bool skip_bad_images = false;
  void add_data_flags(Flags& flags, SplitSettings& splits);
  void add_flags(Flags& flags, BatchSettings& batch);
  void add_columns(Flags& flags);
  void add_prompt_style(Flags& flags);
  void check() const;
};

// How much of the model is trained besides the language model's adapters.
struct VisionSettings {
  std::string tower = "frozen", projector = "frozen";  // frozen, lora or full
  bool old_names = false;
  void add_flags(Flags& flags);
  void check() const;
};

// A tower or a projector from scratch.
struct VisionPretrainingSettings {
  std::string class_dir, flip = "none", vision_model, language_model, model_config;
  int64_t shift = 0;
  void add_flags(Flags& flags);
};

}  // namespace lowland::apps

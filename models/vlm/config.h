// VlmConfig: config.json of a LLaVA-1.5 folder (model_type llava), in the spellings of transformers 4 and 5. What the
// file omits has transformers' defaults, in its vision_config and text_config too: published files omit most.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "models/llama/config.h"
#include "models/vit/config.h"

namespace lowland {

struct VlmConfig {
  VitConfig vision;
  LlamaConfig text;
  int64_t image_token_id = 32000;     // image_token_index in version 4
  int64_t vision_feature_layer = -2;  // hidden state of the tower that the projector reads
  bool keep_class_token = false;      // vision_feature_select_strategy: full keeps it, default drops it
  bool projector_bias = true;
  std::string dtype;               // as the file says; empty if it does not
  std::string name_or_path;        // `_name_or_path`
  std::vector<std::string> notes;  // sentences on what the file says and nobody uses, its parts' included
  std::string source;              // the file's text; empty if there is none

  static VlmConfig from_json(const std::string& text, const std::string& file_name);
  static VlmConfig from_folder(const std::string& folder);
  // The file that was read, with what has changed since; without one, transformers 4 spelling, which version 5 reads as
  // well. Ends in a newline.
  std::string to_json() const;

  // Rows that one image takes among the tokens: 576 for LLaVA-1.5.
  int64_t image_tokens() const { return vision.patches() + (keep_class_token ? 1 : 0); }
};

}  // namespace lowland

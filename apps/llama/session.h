// Session: what the verbs of lowland-llama load and share: base, tokenizer, adapter, model with its weights.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "apps/common/adapter_io.h"
#include "apps/common/session_parts.h"
#include "models/llama/family.h"
#include "models/llama/load_weights.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland::apps {

class Session {
 public:
  // Fills settings in from --run and --adapter, reads the configuration and the tokenizer. Loads no weights.
  explicit Session(Settings settings);

  Settings settings;
  std::unique_ptr<Context> context;
  std::string folder;  // of the base; of a llama2.c model its file
  LlamaConfig config;
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<LoadedAdapter> adapter;  // from --adapter
  std::unique_ptr<Llama> model;

  // The model for the method of such settings, without memory.
  std::unique_ptr<Llama> new_model(const Settings& like, bool for_training) const;
  // Makes the model if it is not there, gives it memory, fills it from the checkpoint and the adapter.
  void build_model(bool for_training);
  // Longest example in tokens that both the settings and the model's positions allow.
  int64_t longest() const;

  // What goes into RUN/adapter or RUN/model.
  void write_result(const std::filesystem::path& into) const;
  std::string result_folder() const { return settings.method == "full" ? "model" : "adapter"; }

 private:
  void load_tokenizer_for(const std::string& model_path);
  void load_weights();
  bool llama2c() const { return is_llama2c_file(folder); }

  BaseModel base_;
};

// Ids of a text with what the tokenizer puts in front of it (`<s>`), and nothing behind.
std::vector<int32_t> encode_prompt(const Tokenizer& tokenizer, const std::string& text, bool parse_special);

}  // namespace lowland::apps

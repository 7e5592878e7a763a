// Session: what the verbs of lowland-roberta load and share: folder, tokenizer, data, model with its weights.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "apps/common/adapter_io.h"
#include "apps/common/session_parts.h"
#include "apps/roberta/classification.h"
#include "models/hub/hub_folder.h"

namespace lowland::apps {

inline constexpr const char* kRobertaTargets = "query,value";  // peft's for the model type

class Session {
 public:
  // Fills settings in from --run and --adapter, reads config.json and the tokenizer. Loads no weights.
  explicit Session(Settings settings);

  Settings settings;
  std::unique_ptr<Context> context;
  std::string folder;                     // of the base
  RobertaConfig config;                   // labels are the task's
  std::unique_ptr<Tokenizer> tokenizer;
  TextDataset data;
  std::optional<LoadedAdapter> adapter;   // from --adapter
  std::optional<AdapterCard> card;
  std::unique_ptr<Roberta> model;

  // The task's files; label ids follow the adapter or the checkpoint where they have labels of their own.
  void load_data(const LoadOptions& options);
  // The task without any file: labels from the adapter's card or the checkpoint.
  void task_from_card();
  // Builds the model for settings.method, gives it memory, fills it from the checkpoint and the adapter.
  void build_model(bool for_training);

  // What goes into RUN/adapter or RUN/model.
  void write_result(const std::filesystem::path& into) const;
  std::string result_folder() const { return settings.method == "full" ? "model" : "adapter"; }

 private:
  TextFiles text_files() const;
  void load_weights();
  bool is_head(const std::string& name) const { return name.rfind("classifier.", 0) == 0; }
  AdapterCard make_card() const;

  RobertaConfig checkpoint_;              // as in the folder, labels too
  bool head_from_adapter_ = false;
  std::string fingerprint_;
};

}  // namespace lowland::apps

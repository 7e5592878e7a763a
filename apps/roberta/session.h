// Session: what the verbs of lowland-roberta load and share: folder, tokenizer, data, model with its weights.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "apps/common/adapter_io.h"
#include "apps/common/session_parts.h"
#include "apps/roberta/classification.h"
#include "models/roberta/family.h"

namespace lowland::apps {

class Session {
 public:
  // Fills settings in from --run and --adapter, reads config.json and the tokenizer. Loads no weights.
  explicit Session(Settings settings);

  Settings settings;
  std::unique_ptr<Context> context;
  std::string folder;    // of the base
  RobertaConfig config;  // labels are the task's
  std::unique_ptr<Tokenizer> tokenizer;
  TextDataset data;
  std::optional<LoadedAdapter> adapter;  // from --adapter
  std::optional<AdapterCard> card;       // the adapter's
  std::unique_ptr<Roberta> model;

  // The task's files; label ids follow the adapter or the checkpoint where they have labels of their own.
  void load_data(const LoadOptions& options);
  // The task without any file: labels from the adapter's card or the checkpoint.
  void task_from_card();
  // The model for the method of such settings and the task's labels, without memory.
  std::unique_ptr<Roberta> new_model(const Settings& like, bool for_training) const;
  // Makes the model if it is not there, gives it memory, fills it from the checkpoint and the adapter.
  void build_model(bool for_training);

  // What goes into RUN/adapter or RUN/model.
  void write_result(const std::filesystem::path& into) const;
  std::string result_folder() const { return settings.method == "full" ? "model" : "adapter"; }

 private:
  TextFiles text_files() const;
  void take_labels();  // config's are the task's
  void load_weights();

  HubFamily family_ = roberta_family();
  RobertaConfig checkpoint_;  // as in the folder, labels too
  BaseModel base_;
  bool head_from_adapter_ = false;
};

}  // namespace lowland::apps

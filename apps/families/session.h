// Session: what a verb works on. A family's session knows how a folder becomes a model with its tokenizer, its data and
// its loss, and what it writes; the verbs (apps/verbs) know the rest, once for all families. In the order of a run:
//
//   add_flags   binds the settings to the verb's flags           (the door: apps/settings)
//   check       refuses what can be refused without a file
//   open        configuration, tokenizer, adapter: no weights
//   load        the wanted splits; afterwards objective() is there
//   new_model   names and shapes, and what is trained            (a plan of the memory makes several)
//   fill        the weights
//   write       what the user takes home
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "apps/common/row_writer.h"
#include "apps/settings/settings.h"
#include "apps/train/memory_plan.h"
#include "apps/train/objective.h"
#include "models/hub/adapter.h"
#include "models/hub/peft_adapter.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland::apps {

enum class Verb : uint8_t { finetune, pretrain, evaluate, predict, generate, chat, probe, inspect };

// Which splits a verb reads.
struct Wanted {
  bool train = true, dev = true, test = false;
  bool scoring = false;  // the split is scored, not trained on: --max-eval-samples counts for it, whichever it is
  static Wanted only(DataSplit split, bool scoring) {
    return {split == DataSplit::train, split == DataSplit::dev, split == DataSplit::test, scoring};
  }
};

class Session {
 public:
  Session() = default;
  virtual ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // --- settings
  BaseSettings base;
  AdapterSettings lora;
  MethodSettings method;
  BatchSettings batch;
  SystemSettings system;
  SplitSettings splits;
  double label_smoothing = 0;
  dist::Communicator* ranks = nullptr;  // that share the verb; null: this process alone

  // Data, and whatever else the family alone has, in the order of --help.
  virtual void add_flags(Flags& flags, Verb verb) = 0;
  virtual void check() const;
  // The session that the flags ask for, where a verb does one of several things. Itself, usually.
  virtual Session& chosen() { return *this; }

  // --- what was opened
  std::shared_ptr<Context> context;  // made by open, unless there is one that runs share
  std::string folder;                // of the base
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<LoadedAdapter> adapter;  // from --adapter
  const AdapterCard* card() const { return adapter && adapter->card ? &*adapter->card : nullptr; }

  // The folder of a tokenizer with the tokens of --add-tokens besides, or the path as it is where there are none.
  std::string with_new_tokens(const std::string& path);
  // Reads the tokenizer of a folder or file for a model of `rows` ids, and says what is to be said of it.
  void open_tokenizer(const std::string& path, int64_t rows);
  // flags: which of them were given, where an adapter or a run says otherwise.
  virtual void open(const Flags& flags) = 0;
  virtual void load(const Wanted& wanted) = 0;
  virtual bool has_test() const { return !splits.test.empty(); }  // there is a test split to load
  virtual bool can_score(DataSplit split) const { return !objective().lengths(split).empty(); }  // it has labels
  virtual const Objective& objective() const = 0;
  // What was loaded that no flag names file by file, by content part of what a run is; and the labels, in id order.
  virtual std::vector<std::string> data_files() const { return {}; }
  virtual std::vector<std::string> picture_files() const { return {}; }
  virtual std::vector<std::string> labels() const { return {}; }
  virtual std::unique_ptr<nn::Model> new_model(bool for_training) const = 0;
  virtual void fill(nn::Model& model) = 0;
  // Behind fill: --init-lora-weights of a new adapter, where it takes a part of the weights.
  void begin_pairs(nn::Model& model);
  // Into an existing folder: the adapter, or with --method full the model.
  virtual void write(const nn::Model& model, const std::filesystem::path& into) const = 0;
  std::string result() const { return method.full() ? "model" : "adapter"; }
  // Files of the run besides, before the first step; and whatever waits to be written, after the last.
  virtual void begin_run(const std::filesystem::path&) {}
  virtual void finish() {}

  // --- verbs
  // The examples of a split as the verb inspect shows them: one, and in a line what they come to.
  virtual void print_example(int64_t index, int64_t first_row) const = 0;
  virtual std::string example_summary(int64_t rows) const = 0;
  virtual int64_t rows_of(int64_t tokens) const { return tokens; }  // of an example
  // Scores of a loaded split.
  virtual nlohmann::ordered_json evaluate(const nn::Model& model, DataSplit split);
  // What the verb predict was given, refused if it is wrong; and a row for each of it, by columns.
  virtual void read_input() {}
  virtual void predict(const nn::Model&, const OnRow&) {}
  virtual RowFormat row_format() const { return RowFormat::jsonl; }  // where --output says nothing

  bool narrow_weights = false, token_budget = false;  // the family has --weights-dtype and --batch-tokens
  double random_std = 0.02;                           // of --random-init: the configuration's
  double pretraining_lr = 5e-4;                       // the default of pretrain
  bool plans_only = false;                            // a folder without weights will do
  bool smooths_labels = true;                         // the loss has --label-smoothing
  bool takes_system = false;                          // chat: there may be a system message
  std::string rho_help;                               // of finetune, instead of the table's
  PlannedRun planned(const TrainingSettings& training) const;

 protected:
  // By the objective, with progress.
  Evaluation evaluated(const nn::Model& model, DataSplit split) const;
  // The adapter at --adapter, and what it fixes: Error where a given flag contradicts it. Without one the targets that
  // a new one gets.
  void take_adapter(const Flags& flags, const HubFamily& family);
  // Random weights instead of the folder's.
  void fill_at_random(nn::Model& model);
  // LoRA on the family's targets, or everything with --method full, as the settings say.
  void choose_trained(nn::Model& model, const HubFamily& family, bool for_training) const;
  // The adapter as peft reads it, with a card that knows method and base.
  LoadedAdapter collected(const nn::Model& model, const HubFamily& family, int64_t longest) const;

  // Their rows are what a new adapter trains of the embedding, and of a head that is not the embedding.
  void train_new_tokens(const std::string& table, bool own_head);
  // Tables that have grown are the adapter's to bring.
  void read_grown(WeightMap& weights, nn::Model& model) const;

  BaseModel base_model_;
  std::vector<int64_t> new_tokens_;  // of --add-tokens

 private:
  std::vector<LoraFactors> initial_;  // of begin_pairs
  // What the folder's weights are in that are quantised; absent until a model is made.
  mutable std::optional<std::map<std::string, DType>> stored_;
  std::shared_ptr<std::filesystem::path> new_at_;  // a folder of its own for with_new_tokens, removed at the end
};

// The model with its memory and its weights; frozen ones that `shared` has are not read again.
std::unique_ptr<nn::Model> filled_model(Session& session, bool for_training, const nn::FrozenWeights& shared = {});

}  // namespace lowland::apps

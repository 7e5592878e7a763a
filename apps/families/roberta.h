// lowland-roberta's sessions: classification and regression of texts on an encoder or a decoder, and the pretraining of
// encoders.
#pragma once
#include "apps/data/kept_columns.h"
#include "apps/families/bench_case.h"
#include "apps/families/text_pretraining.h"
#include "apps/objectives/classification.h"
#include "apps/objectives/masked_lm.h"
#include "models/roberta/family.h"
#include "models/text/text_folder.h"

namespace lowland::apps {

struct TextTaskSettings {
  std::string task, data, text_column = "text", pair_column, label_column = "label", columns, problem_type,
                          class_weights, prompt, label_words;
  int64_t shots = 0, dev_shots = 0;
  bool draw_eval_samples = false;
  double label_noise = 0;
};

class RobertaSession final : public Session {
 public:
  RobertaSession() { narrow_weights = true; }
  void add_flags(Flags& flags, Verb verb) override;
  void check() const override;
  void open(const Flags& flags) override;
  // The task's files; label ids follow the adapter or the checkpoint where they have labels of their own.
  void load(const Wanted& wanted) override;
  const Objective& objective() const override { return *objective_; }
  bool has_test() const override;
  bool can_score(DataSplit split) const override {
    return Session::can_score(split) && (split != DataSplit::test || data_.test.labelled);
  }
  std::vector<std::string> data_files() const override;
  std::vector<std::string> labels() const override { return data_.task.labels; }
  std::unique_ptr<nn::Model> new_model(bool for_training) const override;
  void fill(nn::Model& model) override;
  void write(const nn::Model& model, const std::filesystem::path& into) const override;

  void print_example(int64_t index, int64_t first_row) const override;
  std::string example_summary(int64_t rows) const override;
  void read_input() override;
  RowFormat row_format() const override { return format_ == "glue" ? RowFormat::tsv : RowFormat::jsonl; }
  void predict(const nn::Model& model, const OnRow& row) override;

 private:
  int64_t longest() const;
  TextFiles text_files() const;
  LoadOptions load_options(const Wanted& wanted) const;
  std::vector<std::string> known_labels() const;  // of the adapter's card, else of the checkpoint
  // The task without any file; ids are those of the known labels. What was trained is asked by its own labels only:
  // Error if a verb that does not train would take others.
  void task_from_card();
  void follow_known_labels();  // a training file's labels get the known ids, where they are the same
  void take_labels();          // config's are the task's, and the words for them
  void take_prompt();          // of the adapter, where nothing else is said
  bool prompted() const { return !task_.prompt.empty(); }
  void require_head(const WeightMap& weights, const std::string& fresh) const;  // Error: `fresh` would be drawn

  TextTaskSettings task_;
  std::string input_ = "-", format_ = "json", keep_;
  std::string tokenizer_at_;  // the folder of the tokenizer: the adapter's, or the base's
  const Flags* flags_ = nullptr;
  bool trains_ = false;                              // the verb makes a new head where there is none
  HubFamily family_;                                 // of the checkpoint
  std::unique_ptr<TextConfig> checkpoint_, config_;  // as in the folder; with the task's labels
  TextDataset data_;
  PromptText prompt_text_;
  std::optional<Prompt> prompt_;  // label words, where the settings ask for them
  std::unique_ptr<Classification> objective_;
  TokenizedSplit input_tokens_;
  KeptColumns kept_;
};

class RobertaPretraining final : public TextPretraining {
 public:
  RobertaPretraining() { smooths_labels = false; }
  void load(const Wanted& wanted) override;
  const Objective& objective() const override { return *objective_; }
  std::unique_ptr<nn::Model> new_model(bool for_training) const override;

 private:
  void read_config(const std::string& json, const std::string& file) override;
  TokenizerUse use() const override { return TokenizerUse::masked; }
  int64_t max_tokens(const std::string& json) const override {
    return RobertaConfig::from_json(json, model_config_).max_tokens();
  }
  std::string config_json() const override;

  RobertaConfig config_;
  std::unique_ptr<MaskedLm> objective_;
};

std::unique_ptr<BenchCase> roberta_bench();

}  // namespace lowland::apps

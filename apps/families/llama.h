// lowland-llama's sessions: language modelling on texts and conversations with a decoder, and its pretraining.
#pragma once
#include "apps/common/generate_text.h"
#include "apps/data/language_records.h"
#include "apps/families/bench_case.h"
#include "apps/families/language_session.h"
#include "apps/families/text_pretraining.h"
#include "apps/objectives/language.h"
#include "apps/objectives/language_maker.h"
#include "models/decoder/load_weights.h"
#include "models/llama/llama2c.h"

namespace lowland::apps {

class LlamaSession final : public LanguageSession {
 public:
  LlamaSession();
  void add_flags(Flags& flags, Verb verb) override;
  void check() const override;
  void open(const Flags& flags) override;
  void load(const Wanted& wanted) override;
  const Objective& objective() const override { return *objective_; }
  std::unique_ptr<nn::Model> new_model(bool for_training) const override;
  void fill(nn::Model& model) override;
  void write(const nn::Model& model, const std::filesystem::path& into) const override;

  void print_example(int64_t index, int64_t first_row) const override;
  std::string example_summary(int64_t rows) const override;
  int64_t rows_of(int64_t tokens) const override { return tokens - 1; }  // the last is a target only

  const DecoderConfig& text_config() const override { return *config_; }
  const Decoder& language(const nn::Model& model) const override { return static_cast<const Decoder&>(model); }
  nlohmann::ordered_json evaluate(const nn::Model& model, DataSplit split) override;
  void begin_chat() override;
  std::vector<int32_t> conversation(const std::vector<ChatMessage>& messages) const override;
  int32_t end_of_turn() const override;

 private:
  int64_t longest() const { return std::min(splits.max_length, config_->max_tokens()); }
  bool llama2c() const { return is_llama2c_file(folder); }
  void open_tokenizer();
  std::string template_folder() const;  // whose chat template counts, where no flag says
  void write_chat_template(const std::filesystem::path& into) const;
  void write_tokenizer(const std::filesystem::path& into) const;

  LanguageSettings language_;
  std::string columns_;
  HubFamily family_;
  std::unique_ptr<DecoderConfig> config_;
  std::unique_ptr<LanguageModelling> objective_;
  ChatTemplate chat_;
  std::string tokenizer_at_;  // folder or file
  // evaluate --generate
  bool generate_ = false;
  SamplingSettings sampling_;
  std::vector<LanguageRecord> asked_;  // of the split that is scored
};

class LlamaPretraining final : public TextPretraining {
 public:
  LlamaPretraining() {
    splits.max_length = 1024;
    token_budget = true;
  }
  void add_flags(Flags& flags, Verb verb) override;
  void load(const Wanted& wanted) override;
  const Objective& objective() const override { return *objective_; }
  std::unique_ptr<nn::Model> new_model(bool for_training) const override;

 private:
  void read_config(const std::string& json, const std::string& file) override;
  TokenizerUse use() const override { return TokenizerUse::decoder; }
  int64_t max_tokens(const std::string& json) const override {
    return read_decoder_config(json, model_config_)->max_tokens();
  }
  std::string config_json() const override;

  std::unique_ptr<DecoderConfig> config_;
  std::unique_ptr<LanguageModelling> objective_;
};

std::unique_ptr<BenchCase> llama_bench();

}  // namespace lowland::apps

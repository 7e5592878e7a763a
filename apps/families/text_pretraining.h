// Pretraining on text: a model from a config.json and text files, with a tokenizer that is given or trained on them.
// What RoBERTa's and Llama's do alike.
#pragma once
#include "apps/families/session.h"
#include "engine/io/atomic_file.h"
#include "models/tokenizers/train_bpe.h"

namespace lowland::apps {

class TextPretraining : public Session {
 public:
  void add_flags(Flags& flags, Verb verb) override;
  void check() const override;
  void open(const Flags& flags) override;
  void fill(nn::Model& model) override { fill_at_random(model); }
  void write(const nn::Model& model, const std::filesystem::path& into) const override;
  void begin_run(const std::filesystem::path& run) override;

  void print_example(int64_t, int64_t) const override {}
  std::string example_summary(int64_t) const override { return ""; }

 protected:
  // The configuration at --model-config, completed by the tokenizer.
  virtual void read_config(const std::string& json, const std::string& file) = 0;
  virtual TokenizerUse use() const = 0;                           // of a tokenizer that is trained
  virtual int64_t max_tokens(const std::string& json) const = 0;  // of a text, by that configuration
  virtual std::string config_json() const = 0;                    // as it is written

  std::vector<std::string> text_;
  std::string model_config_;
  int64_t vocab_size_ = 0;
  bool line_by_line_ = false;

 private:
  std::string tokens_;                        // the tokenizer's folder
  std::unique_ptr<AtomicDirectory> trained_;  // a tokenizer that was trained, until RUN is there
};

}  // namespace lowland::apps

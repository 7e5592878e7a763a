#include "apps/families/text_pretraining.h"

#include <fstream>

#include "engine/error.h"
#include "models/hub/write_model.h"

namespace lowland::apps {
namespace fs = std::filesystem;

void TextPretraining::add_flags(Flags& f, Verb) {
  f.group("Data");
  f.add("text", &text_, "Text files; documents are separated by blank lines");
  f.add("model-config", &model_config_, "config.json of the model to make");
  f.add("tokenizer", &base.tokenizer, "Folder of a tokenizer");
  f.add("vocab-size", &vocab_size_, "Train a byte-level BPE of this size on the text instead");
  f.add("line-by-line", &line_by_line_, "Each line is a document");
  f.add("dev", &splits.dev, "Text to evaluate on");
  f.add("max-length,max-seq-length,length", &splits.max_length, "Longest sequence in tokens");
}

void TextPretraining::check() const {
  Session::check();
  LL_CHECK(!text_.empty(), "--text names the files to learn from, and is missing");
  LL_CHECK(!model_config_.empty(), "--model-config names the config.json of the model, and is missing");
  LL_CHECK(base.tokenizer.empty() != (vocab_size_ == 0), "give --tokenizer DIR, or --vocab-size N to train one");
  std::vector<std::string> files = text_;
  if (!splits.dev.empty()) files.push_back(splits.dev);
  for (const std::string& file : files) {
    LL_CHECK(fs::is_regular_file(file) && std::ifstream(file).good(), "cannot read {}", file);
    LL_CHECK(fs::file_size(file) > 0, "{} is empty", file);
  }
}

void TextPretraining::open(const Flags& flags) {
  tokens_ = base.tokenizer;
  const fs::path of_run = fs::path(flags.to_json().value("out", "")) / "tokenizer";
  if (tokens_.empty() && flags.given("resume") && fs::exists(of_run)) tokens_ = of_run.string();
  const std::string config = read_file(model_config_);
  if (tokens_.empty()) {
    // RUN comes later, when all that can be refused has been.
    trained_ = std::make_unique<AtomicDirectory>((fs::temp_directory_path() / "lowland-tokenizer").string());
    TrainBpeOptions options;
    options.vocab_size = vocab_size_;
    save_vocabulary(train_bpe(text_, options), trained_->temporary(), max_tokens(config), use());
    tokens_ = trained_->temporary();
  }
  tokenizer = load_tokenizer(tokens_);
  read_config(config, model_config_);
  context = system.make_context();
}

void TextPretraining::begin_run(const fs::path& run) {
  if (!trained_) return;
  AtomicDirectory kept((run / "tokenizer").string());
  copy_companion_files(tokens_, kept.temporary());
  kept.commit();
  tokens_ = kept.path();
  trained_.reset();
}

void TextPretraining::write(const nn::Model& model, const fs::path& into) const {
  write_model_files(into.string(), config_json(), tensors_to_write(model.parameters()));
  if (fs::is_directory(tokens_)) copy_companion_files(tokens_, into.string());
}

}  // namespace lowland::apps

#include "apps/families/llama.h"

#include <algorithm>
#include <cstdio>

#include "apps/common/progress.h"
#include "apps/data/e2e.h"
#include "apps/data/hold_out.h"
#include "apps/families/family.h"
#include "apps/families/print_rows.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/decoder/tied_head.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/hub_folder.h"
#include "models/hub/write_model.h"
#include "models/llama/family.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

std::vector<LanguageRecord> read_all(const std::vector<std::string>& files, const Columns& columns, bool e2e) {
  std::vector<LanguageRecord> out;
  for (const std::string& file : files)
    for (LanguageRecord& r : e2e ? read_e2e(file) : read_language_records(file, columns)) out.push_back(std::move(r));
  return out;
}

void say_if(const std::string& line) {
  if (!line.empty()) say(line);
}

}  // namespace

LlamaSession::LlamaSession() {
  splits.max_length = 1024;
  narrow_weights = token_budget = takes_system = true;
}

void LlamaSession::add_flags(Flags& f, Verb verb) {
  f.group("Data");
  if (verb == Verb::generate) return;
  if (verb == Verb::chat) return language_.add_chat_flags(f);
  base.add_tokenizer(f);
  if (verb == Verb::finetune || verb == Verb::inspect) base.add_new_tokens(f);
  f.add("train", &splits.train,
        "Training files, .jsonl, .json, .csv or .tsv: text; prompt, completion; instruction, input, output; messages");
  f.add("dev", &splits.dev, "Development file of the same kind");
  f.add("test", &splits.test, "Test file of the same kind");
  f.add(
      "task", &language_.task,
      "text: files as above; e2e: lines MEANING||SENTENCE (.txt), or columns mr and ref, scored as the E2E challenge");
  f.add("columns", &columns_,
        "What a file's columns are here, where they have other names: prompt=question,completion=a");
  splits.add_limits(f);
  f.add("max-length,max-seq-length,length", &splits.max_length, "Longest example in tokens");
  language_.add_flags(f, batch);
  if (verb != Verb::evaluate) return;
  f.add("generate", &generate_,
        "Also write the answers, and score them: exact match, ROUGE-L and BLEU; of e2e BLEU, NIST, METEOR, ROUGE-L and "
        "CIDEr");
  f.add("max-new-tokens", &sampling_.max_new_tokens, "With --generate: the most tokens of an answer");
  f.add("no-repeat-ngram-size", &sampling_.no_repeat_ngram,
        "With --generate: never N tokens that were there in this order (0: whatever comes)");
  sampling_.add_beams(f);
}

void LlamaSession::check() const {
  Session::check();
  language_.check();
  language_columns(columns_);
}

void LlamaSession::open(const Flags& flags) {
  LL_CHECK(!base.model.empty(), "--model names the base checkpoint, and is missing");
  if (is_llama2c_file(base.model)) {
    folder = base.model;
    config_ = read_llama2c_config(folder).copy();
  } else {
    folder = resolve_model_folder(base.model);
    config_ = decoder_config_of(folder);
    say_if(settle_tied_head(*config_, folder, config_->family().base_prefix, {}, config_->embedding()));
  }
  say(config_->notes);
  family_ = config_->family();
  random_std = config_->initializer_range;
  take_adapter(flags, family_);
  if (adapter) fit_to_adapter(*config_, *adapter, config_->embedding());
  open_tokenizer();
  const std::string table = config_->embedding();
  train_new_tokens(table.substr(table.rfind('.') + 1), !config_->tie_word_embeddings);
  if (!context) context = system.make_context();
  config_->check_device(*context, folder);
}

void LlamaSession::open_tokenizer() {
  std::string path = base.tokenizer.empty() ? folder : base.tokenizer;
  if (base.tokenizer.empty() && has_tokenizer(base.adapter)) {
    path = base.adapter;
  } else if (base.tokenizer.empty() && llama2c()) {
    const fs::path beside = fs::path(folder).parent_path() / "tokenizer.bin";
    LL_CHECK(fs::exists(beside), "--tokenizer names the tokenizer of {}, and is missing", folder);
    path = beside.string();
  }
  tokenizer_at_ = with_new_tokens(path);
  if (!new_tokens_.empty()) {
    LL_CHECK(!llama2c(), "--add-tokens: {} is a file of llama2.c; `convert` makes a folder of it", folder);
    config_->vocab_size = std::max(config_->vocab_size, new_tokens_.back() + 1);
  }
  Session::open_tokenizer(tokenizer_at_, config_->vocab_size);
}

std::string LlamaSession::template_folder() const {
  return has_chat_template(base.adapter) || llama2c() ? base.adapter : folder;
}

// Without --dev, --dev-fraction of the training examples is held out, by the seed.
void LlamaSession::load(const Wanted& wanted) {
  const ExampleMaker maker(*tokenizer, language_, template_folder(), longest());
  const Columns columns = language_columns(columns_);
  const bool e2e = language_.task == "e2e";
  LanguageData data;
  const auto make = [&](DataSplit split, std::vector<LanguageRecord> records, int64_t most, LanguageSplit& into) {
    keep_first(records, most);
    if (wanted.scoring) keep_first(records, splits.max_eval_samples);
    if (records.empty()) return;
    into = maker.make_split(records);
    if (generate_ && wanted.scoring) asked_ = records;
    say_split(name_of(split), into, longest());
  };
  const bool carve = splits.dev.empty() && (wanted.train || wanted.dev);
  std::vector<LanguageRecord> train, dev;
  if (wanted.train || carve) {
    LL_CHECK(wanted.train || !splits.train.empty(),
             "--dev names the file to evaluate on (.jsonl), and is missing, as is --train to hold a part of it out{}",
             splits.test.empty() ? "" : "; for --test say --split test");
    LL_CHECK(!splits.train.empty(), "--train names the training file (.jsonl), and is missing");
    train = read_all(splits.train, columns, e2e);
  }
  if (carve) dev = hold_out(train, splits.dev_fraction, static_cast<uint64_t>(system.seed));
  if (!splits.dev.empty() && wanted.dev) dev = read_all({splits.dev}, columns, e2e);
  if (wanted.train) make(DataSplit::train, std::move(train), splits.max_train_samples, data.train);
  if (wanted.dev) make(DataSplit::dev, std::move(dev), splits.max_eval_samples, data.dev);
  if (wanted.test) {
    LL_CHECK(!splits.test.empty(), "--test names the test file (.jsonl), and is missing");
    make(DataSplit::test, read_all({splits.test}, columns, e2e), splits.max_eval_samples, data.test);
  }
  objective_ = std::make_unique<LanguageModelling>(std::move(data), label_smoothing);
}

std::unique_ptr<nn::Model> LlamaSession::new_model(bool for_training) const {
  std::unique_ptr<nn::Model> model = config_->new_model();
  choose_trained(*model, family_, for_training);
  return model;
}

void LlamaSession::fill(nn::Model& model) {
  if (base.random_init) return fill_at_random(model);
  const auto seed = static_cast<uint64_t>(system.seed);
  if (llama2c()) {
    base_model_ = {folder, base_model_name(base.base_model_name, folder),
                   load_llama2c(static_cast<Llama&>(model), folder, seed)};
    // Earlier adapters know such a file by its name and size.
    const bool older = card() != nullptr && card()->base_fingerprint.starts_with("llama2.c ");
    if (adapter && !older) check_base(*adapter, base_model_);
  } else {
    WeightMap weights = open_weights(folder, family_);
    base_model_ = base_of(weights, base.base_model_name);
    if (adapter) check_base(*adapter, base_model_);
    read_grown(weights, model);
    say_if(load_weights(static_cast<Decoder&>(model), weights, seed, adapter ? &*adapter : nullptr));
  }
  if (adapter) fill_adapter(model, *adapter);
}

void LlamaSession::write(const nn::Model& model, const fs::path& into) const {
  if (!method.full()) {
    write_adapter_files(into.string(), collected(model, family_, longest()));
    return write_tokenizer(into);
  }
  const std::unique_ptr<DecoderConfig> written = config_->copy();
  written->architectures.clear();
  written->dtype = "float32";
  write_model_files(into.string(), written->to_json(), tensors_to_write(model.parameters()));
  const std::string tokens = base.tokenizer.empty() ? folder : base.tokenizer;
  if (fs::is_directory(tokens) || is_gguf_path(tokens)) copy_companion_files(tokens, into.string());
  if (!new_tokens_.empty()) copy_tokenizer_files(tokenizer_at_, into.string());
  write_chat_template(into);
}

// As Python's trainers do: the folder then says by itself what its conversations look like.
void LlamaSession::write_tokenizer(const fs::path& into) const {
  if (fs::is_directory(tokenizer_at_) || is_gguf_path(tokenizer_at_))
    copy_tokenizer_files(tokenizer_at_, into.string());
  write_chat_template(into);
}

void LlamaSession::write_chat_template(const fs::path& into) const {
  const std::string name = language_.chat_template;
  if (!name.empty())
    write_file_atomically((into / "chat_template.jinja").string(), chat_template_text(name));
  else if (has_chat_template(base.adapter))
    write_file_atomically((into / "chat_template.jinja").string(),
                          read_file((fs::path(base.adapter) / "chat_template.jinja").string()));
}

// Each row reads its id and learns the next one.
void LlamaSession::print_example(int64_t index, int64_t first_row) const {
  const LanguageExample& e = objective_->split(DataSplit::train).examples[index];
  const int64_t rows = rows_of(static_cast<int64_t>(e.ids.size()));
  std::printf("\nexample %lld, %lld of %zu tokens learnt\n", static_cast<long long>(index),
              static_cast<long long>(e.targets()), e.ids.size());
  print_rows_head(first_row, first_row + rows);
  for (int64_t i = 0; i <= rows; ++i)
    print_row(i < rows ? i : -1, e.ids[i], e.learn[i] != 0, tokenizer->piece(e.ids[i]));
}

std::string LlamaSession::example_summary(int64_t rows) const {
  const LanguageSplit& train = objective_->split(DataSplit::train);
  return fmt::format("{} training examples, {} rows, {} of them with a target",
                     thousands(static_cast<int64_t>(train.examples.size())), thousands(rows),
                     thousands(train.targets()));
}

void LlamaSession::begin_chat() { chat_ = chosen_template(language_.chat_template, template_folder()); }

int32_t LlamaSession::end_of_turn() const { return lowland::end_of_turn(*tokenizer, chat_); }

std::vector<int32_t> LlamaSession::conversation(const std::vector<ChatMessage>& messages) const {
  ChatOptions options;
  options.date = language_.date;
  options.generation_prompt = true;
  options.answers = Answers::none;
  return encode_chat(*tokenizer, chat_, messages, options).ids;
}

// --- pretraining

void LlamaPretraining::add_flags(Flags& f, Verb verb) {
  TextPretraining::add_flags(f, verb);
  f.add("batch-tokens", &batch.batch_tokens, "Cut a step into micro-batches of at most N tokens");
}

void LlamaPretraining::read_config(const std::string& json, const std::string& file) {
  config_ = read_decoder_config(json, file);
  say(config_->notes);
  config_->source.clear();  // a new model says all of itself
  const int32_t eos = tokenizer->special().eos;
  config_->vocab_size = tokenizer->vocab_size();
  config_->bos_token_id = tokenizer->special().bos;
  config_->pad_token_id = tokenizer->special().pad;
  config_->eos_token_ids.clear();
  if (eos >= 0) config_->eos_token_ids.push_back(eos);
  random_std = config_->initializer_range;
}

std::string LlamaPretraining::config_json() const {
  const std::unique_ptr<DecoderConfig> written = config_->copy();
  written->dtype = "float32";
  return written->to_json();
}

void LlamaPretraining::load(const Wanted&) {
  const int64_t length = std::min(splits.max_length, config_->max_tokens());
  const ExampleMaker maker(*tokenizer, {}, "", length);
  LanguageData data;
  data.train = maker.make_documents(text_, line_by_line_);
  say_split("train", data.train, length);
  if (!splits.dev.empty()) {
    data.dev = maker.make_documents({splits.dev}, line_by_line_);
    say_split("dev", data.dev, length);
  }
  objective_ = std::make_unique<LanguageModelling>(std::move(data), label_smoothing);
}

std::unique_ptr<nn::Model> LlamaPretraining::new_model(bool) const {
  std::unique_ptr<nn::Model> model = config_->new_model();
  model->train([](const std::string&) { return true; });
  return model;
}

Family llama_app() {
  return {.about = "Fine-tune Llama-style models with LoRA, EFlat-LoRA and their relatives",
          .help = {{"finetune", "Train an adapter (or all weights) on texts or conversations"},
                   {"pretrain", "Language modelling from scratch on text files"},
                   {"evaluate", "Loss and perplexity of a model or adapter on a split, as JSON"}},
          .hub =
              [](const std::string& folder) {
                const std::unique_ptr<DecoderConfig> config = decoder_config_of(folder);
                config->tie_word_embeddings = false;  // what an adapter holds whole may part the two
                return config->family();
              },
          .session = [] { return std::make_unique<LlamaSession>(); },
          .pretraining = [] { return std::make_unique<LlamaPretraining>(); },
          .bench = llama_bench};
}

}  // namespace lowland::apps

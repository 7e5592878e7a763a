#include <fstream>

#include "apps/common/flags.h"
#include "apps/common/settings_json.h"
#include "apps/common/training_run.h"
#include "apps/roberta/masked_lm.h"
#include "apps/roberta/session.h"
#include "apps/roberta/verbs.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/hub/write_model.h"
#include "models/tokenizers/train_bpe.h"

namespace lowland::apps {
namespace {

namespace fs = std::filesystem;

// Refuses what can be refused before RUN is written.
void check_pretraining(const Settings& s) {
  check_training_settings(s);
  check_out(s);
  LL_CHECK(!s.text_files.empty(), "--text names the files to learn from, and is missing");
  LL_CHECK(!s.model_config.empty(), "--model-config names the config.json of the model, and is missing");
  LL_CHECK(s.tokenizer.empty() != (s.vocab_size == 0), "give --tokenizer DIR, or --vocab-size N to train one");
  std::vector<std::string> files = s.text_files;
  if (!s.dev_file.empty()) files.push_back(s.dev_file);
  for (const std::string& file : files) {
    LL_CHECK(fs::is_regular_file(file) && std::ifstream(file).good(), "cannot read {}", file);
    LL_CHECK(fs::file_size(file) > 0, "{} is empty", file);
  }
  if (!s.tokenizer.empty()) load_tokenizer(s.tokenizer);
}

// RUN with its tokenizer's folder: the user's, or one trained on the text and kept in RUN/tokenizer.
std::pair<RunFolder, std::string> run_with_tokenizer(const Settings& s) {
  const std::string folder = (fs::path(s.out) / "tokenizer").string();
  if (!s.tokenizer.empty()) return {RunFolder(s), s.tokenizer};
  if (s.resume && fs::exists(folder)) return {RunFolder(s), folder};
  TrainBpeOptions options;
  options.vocab_size = s.vocab_size;
  const auto vocabulary = train_bpe(s.text_files, options);
  RunFolder run(s);
  AtomicDirectory directory(folder);
  save_vocabulary(vocabulary, directory.temporary());
  directory.commit();
  return {std::move(run), folder};
}

void pretrain(const Settings& given_settings, const CLI::App& verb) {
  Settings settings = resumed_settings(given_settings, [&](const std::string& f) { return given(verb, f); });
  settings.method = "full";
  check_pretraining(settings);
  RobertaConfig config = RobertaConfig::from_json(read_file(settings.model_config), settings.model_config);
  auto started = run_with_tokenizer(settings);
  RunFolder& run = started.first;
  const std::string& tokens = started.second;
  const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(tokens);
  config.vocab_size = tokenizer->vocab_size();
  config.bos_token_id = tokenizer->special().bos;
  config.eos_token_id = tokenizer->special().eos;
  config.pad_token_id = tokenizer->special().pad;

  const std::unique_ptr<Context> context = make_context(settings);
  const auto make = [&](const Settings& s) {
    auto made = std::make_unique<Roberta>(config, RobertaHead::masked_lm);
    made->train([](const std::string&) { return true; });
    made->set_recompute(s.recompute == "block");
    return made;
  };
  const std::unique_ptr<Roberta> model = make(settings);
  const int64_t length = std::min(settings.max_length, model->max_length());
  std::vector<std::vector<int32_t>> dev;
  if (!settings.dev_file.empty()) dev = read_sequences(*tokenizer, {settings.dev_file}, length, settings.line_by_line);
  MaskedLmWorkload workload(*model, *tokenizer,
                            read_sequences(*tokenizer, settings.text_files, length, settings.line_by_line),
                            std::move(dev), settings);
  const MemoryPlan plan = say_memory_plan(workload.plan_input(make), settings, *context);
  model->set_recompute(settings.recompute == "block");
  model->materialise(*context, compute_dtype(settings, *context));
  model->parameters().initialise(static_cast<uint64_t>(settings.seed), config.initializer_range,
                                 [](const std::string&) { return true; });
  const auto write = [&](const fs::path& into) {
    RobertaConfig written = config;
    written.architectures = {"RobertaForMaskedLM"};
    write_model_files(into.string(), written.to_json(), model->parameters().named());
    copy_companion_files(tokens, into.string());
  };
  const auto method = optim::make_method(settings.method, model->arena(), method_options(settings));
  run_training({*model, *method, workload, run, write, "model",
                to_toml(settings, [&](const std::string& f) { return has_flag(verb, f); }), plan.peak()},
               settings);
}

}  // namespace

void add_pretrain(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  settings->lr = 5e-4;
  CLI::App* verb = app.add_subcommand("pretrain", "Masked language modelling from scratch on text files");
  const OptionBinder bind{*verb};
  visit_pretraining(*settings, bind);
  bind("dev", settings->dev_file, "Text to evaluate on");
  bind("max-length,max-seq-length,length", settings->max_length, "Longest sequence in tokens");
  visit_training(*settings, bind);
  visit_system(*settings, bind);
  visit_output(*settings, bind);
  add_config_option(*verb);
  verb->callback([settings, verb] { pretrain(*settings, *verb); });
}

}  // namespace lowland::apps

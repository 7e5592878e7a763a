#include <fstream>

#include "apps/common/flags.h"
#include "apps/common/session_parts.h"
#include "apps/common/settings_json.h"
#include "apps/common/training_run.h"
#include "apps/llama/language_workload.h"
#include "apps/llama/verbs.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/hub/write_model.h"
#include "models/tokenizers/train_bpe.h"

namespace lowland::apps {
namespace {

namespace fs = std::filesystem;

// The tokenizer: the user's, or one trained on the text and kept in RUN/tokenizer.
std::string tokenizer_path(const Settings& s, const RunFolder& run) {
  if (!s.tokenizer.empty()) return s.tokenizer;
  const std::string folder = run.file("tokenizer").string();
  if (run.resuming() && fs::exists(folder)) return folder;
  AtomicDirectory directory(folder);
  TrainBpeOptions options;
  options.vocab_size = s.vocab_size;
  save_vocabulary(train_bpe(s.text_files, options), directory.temporary());
  directory.commit();
  return folder;
}

void check_pretraining(const Settings& s) {
  check_training_settings(s);
  LL_CHECK(!s.text_files.empty(), "--text names the files to learn from, and is missing");
  LL_CHECK(!s.model_config.empty(), "--model-config names the config.json of the model, and is missing");
  LL_CHECK(s.tokenizer.empty() != (s.vocab_size == 0), "give --tokenizer DIR, or --vocab-size N to train one");
  for (const std::string& file : s.text_files) LL_CHECK(std::ifstream(file).good(), "cannot read {}", file);
}

void pretrain(const Settings& given_settings, const CLI::App& verb) {
  Settings settings = resumed_settings(given_settings, [&](const std::string& f) { return given(verb, f); });
  settings.method = "full";
  check_pretraining(settings);
  LlamaConfig config = LlamaConfig::from_json(read_file(settings.model_config), settings.model_config);
  RunFolder run(settings);
  const std::string tokens = tokenizer_path(settings, run);
  const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(tokens);
  config.vocab_size = tokenizer->vocab_size();
  config.bos_token_id = tokenizer->special().bos;
  config.pad_token_id = tokenizer->special().pad;
  config.eos_token_ids.clear();
  if (tokenizer->special().eos >= 0) config.eos_token_ids.push_back(tokenizer->special().eos);

  const std::unique_ptr<Context> context = make_context(settings);
  const auto make = [&](const Settings& s) {
    auto made = std::make_unique<Llama>(config);
    made->train([](const std::string&) { return true; });
    made->set_recompute(s.recompute == "block");
    return made;
  };
  const std::unique_ptr<Llama> model = make(settings);
  const int64_t length = std::min(settings.max_length, config.max_tokens());
  const ExampleMaker maker(*tokenizer, settings, tokens, length);
  LanguageSplit train = maker.make_documents(settings.text_files, settings.line_by_line), dev;
  say_split("train", train, length);
  if (!settings.dev_file.empty()) {
    dev = maker.make_documents({settings.dev_file}, settings.line_by_line);
    say_split("dev", dev, length);
  }
  LanguageWorkload workload(*model, std::move(train), std::move(dev), settings);
  const MemoryPlan plan = say_memory_plan(workload.plan_input(make), settings, *context);
  model->set_recompute(settings.recompute == "block");
  model->materialise(*context, compute_dtype(settings, *context));
  model->parameters().initialise(static_cast<uint64_t>(settings.seed), config.initializer_range,
                                 [](const std::string&) { return true; });
  const auto write = [&](const fs::path& into) {
    LlamaConfig written = config;
    written.dtype = "float32";
    write_model_files(into.string(), written.to_json(), model->parameters().named());
    if (fs::is_directory(tokens)) copy_companion_files(tokens, into.string());
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
  settings->max_length = 1024;
  CLI::App* verb = app.add_subcommand("pretrain", "Language modelling from scratch on text files");
  const OptionBinder bind{*verb};
  visit_pretraining(*settings, bind);
  bind("dev", settings->dev_file, "Text to evaluate on");
  bind("max-length,max-seq-length,length", settings->max_length, "Longest sequence in tokens");
  bind("batch-tokens", settings->batch_tokens, "Cut a step into micro-batches of at most N tokens");
  visit_training(*settings, bind);
  visit_system(*settings, bind);
  visit_output(*settings, bind);
  add_config_option(*verb);
  verb->callback([settings, verb] { pretrain(*settings, *verb); });
}

}  // namespace lowland::apps

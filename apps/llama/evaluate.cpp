#include <cstdio>

#include "apps/common/flags.h"
#include "apps/llama/language_data.h"
#include "apps/llama/language_workload.h"
#include "apps/llama/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

void evaluate(Settings settings) {
  const std::string split = settings.split;
  LL_CHECK(split == "train" || split == "dev" || split == "test", "--split must be train, dev or test, got {}", split);
  Session session(std::move(settings));
  const LanguageData data = load_language_data(session, {split == "train", split == "dev", split == "test"});
  const LanguageSplit& chosen = split == "train" ? data.train : split == "dev" ? data.dev : data.test;
  LL_CHECK(!chosen.examples.empty(), "the {} split holds no example", split);
  session.build_model(false);
  std::printf("%s\n", evaluate_language(*session.model, chosen, session.settings).metrics.dump(2).c_str());
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  settings->max_length = 1024;
  CLI::App* verb = app.add_subcommand("evaluate", "Loss and perplexity of a model or adapter on a split, as JSON");
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  bind("tokenizer", settings->tokenizer, "Tokenizer, where it is not in the model's folder");
  visit_language_data(*settings, bind);
  visit_language(*settings, bind);
  bind("split", settings->split, "train, dev or test");
  bind("batch-size,batch", settings->batch_size, "Examples per forward pass");
  visit_system(*settings, bind);
  verb->callback([settings] { evaluate(*settings); });
}

}  // namespace lowland::apps

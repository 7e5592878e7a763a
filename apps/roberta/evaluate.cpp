#include <cstdio>

#include "apps/common/flags.h"
#include "apps/roberta/session.h"
#include "apps/roberta/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

void evaluate(Settings settings) {
  LoadOptions load;
  const std::string split = settings.split;
  LL_CHECK(split == "train" || split == "dev" || split == "test", "--split must be train, dev or test, got {}", split);
  Session session(std::move(settings));
  const Settings& s = session.settings;
  load.train = split == "train" || s.task == "text";  // the labels of the text task come from its training file
  load.dev = split == "dev";
  load.test = split == "test";
  if (session.card || !s.adapter.empty()) load.train = split == "train";
  load.dev_fraction = s.dev_fraction;
  load.seed = static_cast<uint64_t>(s.seed);
  load.max_train_samples = split == "train" ? s.max_eval_samples : 0;
  load.max_eval_samples = s.max_eval_samples;
  session.load_data(load);
  session.build_model(false);
  const auto run = [&](const Split& from, const std::string& suffix) {
    LL_CHECK(from.labelled, "{} has no labels: use predict", from.file);
    const TokenizedSplit tokens = tokenize(*session.tokenizer, from.examples, longest(s, *session.model));
    report_truncation(split + suffix, tokens, longest(s, *session.model));
    return evaluate_split(*session.model, session.data.task, from, tokens, s.batch_size, suffix).metrics;
  };
  const TextDataset& data = session.data;
  const bool dev = split == "dev";
  nlohmann::ordered_json metrics = run(split == "train" ? data.train : dev ? data.dev : data.test, "");
  const Split& mm = dev ? data.dev_mm : data.test_mm;
  if (split != "train" && !mm.examples.empty()) metrics.update(run(mm, "_mm"));
  std::printf("%s\n", metrics.dump(2).c_str());
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  CLI::App* verb = app.add_subcommand("evaluate", "Metrics of a model or adapter on a split, as JSON");
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  visit_data(*settings, bind);
  bind("split", settings->split, "train, dev or test");
  bind("batch-size,batch", settings->batch_size, "Examples per forward pass");
  visit_system(*settings, bind);
  verb->callback([settings] { evaluate(*settings); });
}

}  // namespace lowland::apps

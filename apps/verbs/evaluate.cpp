#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/report/confusion_page.h"
#include "apps/train/ranks.h"
#include "apps/verbs/session_verb.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace lowland::apps {
namespace {

struct EvaluateVerb : SessionVerb {
  using SessionVerb::SessionVerb;
  std::string split = "dev", html;
  RankSettings ranks;
};

void run(EvaluateVerb& verb, dist::Communicator& ranks) {
  const DataSplit split = parse_split("split", verb.split);
  Session& session = verb.enter(true);
  session.open(verb.flags);
  session.load(Wanted::only(split, true));
  LL_CHECK(!session.objective().lengths(split).empty(), "the {} split holds no example", verb.split);
  const std::unique_ptr<nn::Model> model = filled_model(session, false);
  session.ranks = session.objective().ranks = &ranks;
  const nlohmann::ordered_json scores = session.evaluate(*model, split);
  if (!ranks.leads()) return session.finish();
  std::printf("%s\n", scores.dump(2).c_str());
  if (!verb.html.empty()) {
    const std::string name = std::filesystem::path(session.base.run).filename().string();
    const std::string page = confusion_page(name.empty() ? session.base.model : name, scores);
    LL_CHECK(!page.empty(), "--html draws the confusion matrix of classes, and there are none");
    write_file_atomically(verb.html, page);
  }
  session.finish();
}

}  // namespace

void add_evaluate(CLI::App& app, const Family& family) {
  const auto verb = std::make_shared<EvaluateVerb>(
      app, family, "evaluate", "Metrics of a model or adapter on a split, as JSON", family.session());
  Session& session = *verb->door;
  session.base.add_flags(verb->flags);
  verb->flags.add("split", &verb->split, "train, dev or test");
  session.add_flags(verb->flags, Verb::evaluate);
  verb->flags.add("html", &verb->html, "Draw the confusion matrix of classes to this file");
  verb->flags.add("batch-size,batch", &session.batch.batch_size, "Examples per forward pass");
  session.system.add_flags(verb->flags);
  verb->ranks.add_flags(verb->flags);
  verb->flags.on_run([verb] {
    const auto ranks = join_ranks(verb->ranks, verb->door->system, verb->door->batch);
    run_together(*ranks, [&] { run(*verb, *ranks); });
  });
}

}  // namespace lowland::apps

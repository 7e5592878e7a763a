#include <cstdio>

#include "apps/verbs/session_verb.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

struct EvaluateVerb : SessionVerb {
  using SessionVerb::SessionVerb;
  std::string split = "dev";
};

void run(EvaluateVerb& verb) {
  const DataSplit split = parse_split("split", verb.split);
  Session& session = verb.enter();
  session.open(verb.flags);
  session.load(Wanted::only(split, true));
  LL_CHECK(!session.objective().lengths(split).empty(), "the {} split holds no example", verb.split);
  const std::unique_ptr<nn::Model> model = filled_model(session, false);
  std::printf("%s\n", session.evaluate(*model, split).dump(2).c_str());
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
  verb->flags.add("batch-size,batch", &session.batch.batch_size, "Examples per forward pass");
  session.system.add_flags(verb->flags);
  verb->app.callback([verb] { run(*verb); });
}

}  // namespace lowland::apps

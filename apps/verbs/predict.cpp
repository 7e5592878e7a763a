#include "apps/common/row_writer.h"
#include "apps/verbs/session_verb.h"
#include "apps/verbs/verbs.h"

namespace lowland::apps {
namespace {

struct PredictVerb : SessionVerb {
  using SessionVerb::SessionVerb;
  std::string output;
};

void run(PredictVerb& verb) {
  Session& session = verb.enter();
  session.open(verb.flags);
  session.read_input();  // refused now, if it is wrong
  const bool by_suffix = !verb.output.empty() && session.row_format() == RowFormat::jsonl;
  RowWriter writer(verb.output, by_suffix ? row_format_of(verb.output) : session.row_format());
  const std::unique_ptr<nn::Model> model = filled_model(session, false);
  session.predict(*model, [&](const nlohmann::ordered_json& row) { writer.write(row); });
  writer.close();
  session.finish();
}

}  // namespace

void add_predict(CLI::App& app, const Family& family) {
  const auto verb = std::make_shared<PredictVerb>(app, family, "predict", "", family.session());
  Session& session = *verb->door;
  session.base.add_flags(verb->flags);
  session.add_flags(verb->flags, Verb::predict);
  verb->flags.add("output", &verb->output, "File to write instead of stdout: .jsonl, .csv or .tsv by its suffix");
  verb->flags.add("batch-size,batch", &session.batch.batch_size, "Examples per forward pass");
  session.system.add_flags(verb->flags);
  verb->flags.on_run([verb] { run(*verb); });
}

}  // namespace lowland::apps

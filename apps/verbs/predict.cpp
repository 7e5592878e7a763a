#include <optional>

#include "apps/common/row_writer.h"
#include "apps/train/ranks.h"
#include "apps/verbs/session_verb.h"
#include "apps/verbs/verbs.h"

namespace lowland::apps {
namespace {

struct PredictVerb : SessionVerb {
  using SessionVerb::SessionVerb;
  std::string output;
  RankSettings ranks;
};

void run(PredictVerb& verb, dist::Communicator& ranks) {
  Session& session = verb.enter(true);
  session.ranks = &ranks;
  session.open(verb.flags);
  session.read_input();  // refused now, if it is wrong
  const bool by_suffix = !verb.output.empty() && session.row_format() == RowFormat::jsonl;
  std::optional<RowWriter> writer;  // of the first process
  if (ranks.leads()) writer.emplace(verb.output, by_suffix ? row_format_of(verb.output) : session.row_format());
  const std::unique_ptr<nn::Model> model = filled_model(session, false);
  session.predict(*model, [&](const nlohmann::ordered_json& row) {
    if (writer) writer->write(row);
  });
  if (writer) writer->close();
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
  verb->ranks.add_flags(verb->flags);
  verb->flags.on_run([verb] {
    const auto ranks = join_ranks(verb->ranks, verb->door->system, verb->door->batch);
    run_together(*ranks, [&] { run(*verb, *ranks); });
  });
}

}  // namespace lowland::apps

#include "apps/common/flags.h"
#include "apps/common/probe_verb.h"
#include "apps/roberta/session.h"
#include "apps/roberta/verbs.h"

namespace lowland::apps {
namespace {

void probe(Settings settings, const ProbeFlags& flags) {
  check_probe(flags);
  Session session(std::move(settings));
  LoadOptions load;
  load.dev_fraction = session.settings.dev_fraction;
  load.seed = static_cast<uint64_t>(session.settings.seed);
  session.load_data(load);
  session.build_model(true);
  const ClassificationWorkload workload(*session.model, *session.tokenizer, session.data, session.settings);
  const auto batches = workload.batches_of(flags.split, flags.examples);
  print_probe(*session.model, workload, batches, flags, session.settings);
}

}  // namespace

void add_probe(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto flags = std::make_shared<ProbeFlags>();
  CLI::App* verb = app.add_subcommand("probe", "Measure the sharpness of the loss around a model or adapter, as JSON");
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  visit_data(*settings, bind);
  visit_lora(*settings, bind);
  visit_system(*settings, bind);
  bind("batch-size,batch", settings->batch_size, "Examples per pass");
  bind_probe(bind, *flags);
  verb->callback([settings, flags] { probe(*settings, *flags); });
}

}  // namespace lowland::apps

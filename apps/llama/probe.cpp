#include "apps/common/probe_verb.h"

#include "apps/llama/language_data.h"
#include "apps/llama/language_workload.h"
#include "apps/llama/verbs.h"

namespace lowland::apps {
namespace {

void probe(Settings settings, const ProbeFlags& flags) {
  check_probe(flags);
  Session session(std::move(settings));
  LanguageWanted wanted;
  wanted.dev = flags.split == "dev";
  LanguageData data = load_language_data(session, wanted);
  session.build_model(true);
  const LanguageWorkload workload(*session.model, std::move(data.train), std::move(data.dev), session.settings);
  const LanguageSplit& split = flags.split == "train" ? workload.train() : workload.dev();
  print_probe(*session.model, workload, workload.batches_of(split, flags.examples), flags, session.settings);
}

}  // namespace

void add_probe(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  settings->max_length = 1024;
  auto flags = std::make_shared<ProbeFlags>();
  CLI::App* verb = app.add_subcommand("probe", "Measure the sharpness of the loss around a model or adapter, as JSON");
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  bind("tokenizer", settings->tokenizer, "Tokenizer, where it is not in the model's folder");
  visit_language_data(*settings, bind);
  visit_language(*settings, bind);
  visit_lora(*settings, bind);
  visit_system(*settings, bind);
  bind("batch-size,batch", settings->batch_size, "Examples per pass");
  bind_probe(bind, *flags);
  verb->callback([settings, flags] { probe(*settings, *flags); });
}

}  // namespace lowland::apps

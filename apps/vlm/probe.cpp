#include "apps/common/probe_verb.h"

#include "apps/vlm/verbs.h"
#include "apps/vlm/vlm_workload.h"

namespace lowland::apps {
namespace {

void probe(Settings settings, const ProbeFlags& flags) {
  check_probe(flags);
  VlmSession session(std::move(settings));
  Pictures pictures(session.image_settings, session.context->threads());
  VlmData data = load_vlm_data(session, pictures, true, flags.split == "dev", false);
  session.build_model(true);
  if (!session.settings.cache_features.empty())
    pictures.cache_features(session.settings.cache_features, *session.model);
  const VlmWorkload workload(*session.model, pictures, std::move(data.train), std::move(data.dev), session.settings);
  const VlmSplit& split = flags.split == "train" ? workload.train() : workload.dev();
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
  visit_vision_data(*settings, bind);
  visit_vision(*settings, bind);
  visit_vision_training(*settings, bind);
  visit_lora(*settings, bind);
  visit_system(*settings, bind);
  bind("batch-size,batch", settings->batch_size, "Examples per pass");
  bind_probe(bind, *flags);
  verb->callback([settings, flags] { probe(*settings, *flags); });
}

}  // namespace lowland::apps

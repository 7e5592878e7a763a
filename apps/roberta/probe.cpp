#include <cstdio>

#include "apps/common/flags.h"
#include "apps/common/training_run.h"
#include "apps/roberta/session.h"
#include "apps/roberta/verbs.h"
#include "engine/error.h"
#include "optim/probe.h"

namespace lowland::apps {
namespace {

struct ProbeFlags {
  double rho = 0.05;
  std::string norm = "global", split = "train";
  int64_t examples = 256;
};

void probe(Settings settings, const ProbeFlags& flags) {
  LL_CHECK(flags.norm == "global" || flags.norm == "layer", "--probe-norm must be global or layer, got {}", flags.norm);
  Session session(std::move(settings));
  LoadOptions load;
  load.dev_fraction = session.settings.dev_fraction;
  load.seed = static_cast<uint64_t>(session.settings.seed);
  session.load_data(load);
  session.build_model(true);
  const ClassificationWorkload workload(*session.model, *session.tokenizer, session.data, session.settings);
  const auto batches = workload.batches_of(flags.split, flags.examples);
  optim::SharpnessOptions options;
  options.rho = flags.rho;
  options.layer_norm = flags.norm == "layer";
  options.estimate = true;
  const optim::Sharpness s = sharpness_of(*session.model, workload, batches, options);
  nlohmann::ordered_json o;
  o["loss"] = s.loss;
  o["sharpness"] = s.sharpness;
  o["gradient_norm"] = s.gradient_norm;
  o["estimate_sharpness"] = s.estimate_sharpness;
  o["cosine"] = s.cosine;
  o["rho"] = flags.rho;
  o["norm"] = flags.norm;
  o["split"] = flags.split;
  int64_t examples = 0;
  for (const PackedBatch& b : batches) examples += b.rows.S;
  o["examples"] = examples;
  for (const optim::AdapterProbe& a : optim::probe_adapters(session.model->arena()))
    o["adapters"].push_back({{"module", a.module}, {"norm_a", a.norm_a}, {"norm_b", a.norm_b},
                             {"balancedness", a.balancedness}, {"condition_a", a.condition_a},
                             {"condition_b", a.condition_b}});
  std::printf("%s\n", o.dump(2).c_str());
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
  bind("probe-rho", flags->rho, "Radius");
  bind("probe-norm", flags->norm, "global: one norm over all adapted layers; layer: one for each");
  bind("probe-split", flags->split, "train or dev");
  bind("probe-examples", flags->examples, "The first N examples in file order");
  verb->callback([settings, flags] { probe(*settings, *flags); });
}

}  // namespace lowland::apps

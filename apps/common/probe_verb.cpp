#include "apps/common/probe_verb.h"

#include <cstdio>

#include "apps/common/training_run.h"
#include "engine/error.h"
#include "optim/probe.h"

namespace lowland::apps {

void bind_probe(const OptionBinder& bind, ProbeFlags& flags) {
  bind("probe-rho", flags.rho, "Radius");
  bind("probe-norm", flags.norm, "global: one norm over all adapted layers; layer: one for each");
  bind("probe-split", flags.split, "train or dev");
  bind("probe-examples", flags.examples, "The first N examples in file order");
}

void check_probe(const ProbeFlags& flags) {
  LL_CHECK(flags.norm == "global" || flags.norm == "layer", "--probe-norm must be global or layer, got {}", flags.norm);
  LL_CHECK(flags.split == "train" || flags.split == "dev", "--probe-split must be train or dev, got {}", flags.split);
}

void print_probe(nn::Model& model, const Workload& workload, const std::vector<PackedBatch>& batches,
                 const ProbeFlags& flags) {
  optim::SharpnessOptions options;
  options.rho = flags.rho;
  options.layer_norm = flags.norm == "layer";
  options.estimate = true;
  const optim::Sharpness s = sharpness_of(model, workload, batches, options);
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
  for (const PackedBatch& b : batches) examples += static_cast<int64_t>(b.examples.size());
  o["examples"] = examples;
  for (const optim::AdapterProbe& a : optim::probe_adapters(model.arena()))
    o["adapters"].push_back({{"module", a.module}, {"norm_a", a.norm_a}, {"norm_b", a.norm_b},
                             {"balancedness", a.balancedness}, {"condition_a", a.condition_a},
                             {"condition_b", a.condition_b}});
  std::printf("%s\n", o.dump(2).c_str());
}

}  // namespace lowland::apps

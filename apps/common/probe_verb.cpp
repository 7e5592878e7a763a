#include "apps/common/probe_verb.h"

#include <cstdio>

#include "apps/common/progress.h"
#include "apps/common/report.h"
#include "apps/common/training_run.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "optim/hessian.h"
#include "optim/landscape.h"
#include "optim/probe.h"

namespace lowland::apps {

void bind_probe(const OptionBinder& bind, ProbeFlags& flags) {
  bind("probe-rho", flags.rho, "Radius");
  bind("probe-norm", flags.norm, "global: one norm over all adapted layers; layer: one for each");
  bind("probe-split", flags.split, "train or dev");
  bind("probe-examples", flags.examples, "The first N examples in file order");
  bind("hessian", flags.hessian, "Also the largest eigenvalue of the Hessian over the adapter's numbers");
  bind("landscape", flags.landscape, "none, 1d or 2d: the loss along one or two random directions");
  bind("landscape-points", flags.points, "Points along each direction, odd");
  bind("landscape-range", flags.range, "How far, as a share of the length of each row of the weights");
  bind("html", flags.html, "Draw the landscape to this file");
}

void check_probe(const ProbeFlags& flags) {
  LL_CHECK(flags.norm == "global" || flags.norm == "layer", "--probe-norm must be global or layer, got {}", flags.norm);
  LL_CHECK(flags.split == "train" || flags.split == "dev", "--probe-split must be train or dev, got {}", flags.split);
  const std::string& l = flags.landscape;
  LL_CHECK(l == "none" || l == "1d" || l == "2d", "--landscape must be none, 1d or 2d, got {}", l);
  LL_CHECK(flags.points >= 3 && flags.points % 2 == 1, "--landscape-points must be odd and at least 3, got {}",
           flags.points);
  LL_CHECK(flags.range > 0, "--landscape-range must be more than 0, got {}", flags.range);
  LL_CHECK(flags.html.empty() || l != "none", "--html draws a landscape: add --landscape 1d or 2d");
}

namespace {

nlohmann::ordered_json hessian_of(nn::Model& model, const optim::ProbeLoss& loss) {
  const optim::HessianTop top = optim::largest_hessian_eigenvalue(model, loss, {});
  return {{"eigenvalue", top.eigenvalue}, {"iterations", top.iterations}, {"residual", top.residual}};
}

nlohmann::ordered_json landscape_of(nn::Model& model, const optim::ProbeLoss& loss, const ProbeFlags& flags,
                                    const Settings& settings) {
  optim::LandscapeOptions options;
  options.dimensions = flags.landscape == "2d" ? 2 : 1;
  options.points = flags.points;
  options.range = flags.range;
  Progress progress("landscape", options.dimensions == 2 ? flags.points * flags.points : flags.points);
  const optim::Landscape l =
      optim::measure_landscape(model, loss, options, [&](int64_t done) { progress.update(done, ""); });
  progress.finish();
  nlohmann::ordered_json o{{"dimensions", options.dimensions}, {"seed", options.seed}, {"at", l.at}, {"loss", l.loss}};
  const std::filesystem::path run = settings.run;
  if (!run.empty()) write_file_atomically(run / "landscape.json", o.dump() + "\n");
  if (!flags.html.empty())
    write_file_atomically(flags.html, landscape_html(run.empty() ? settings.model : run.filename().string(), o));
  return o;
}

}  // namespace

void print_probe(nn::Model& model, const Workload& workload, const std::vector<PackedBatch>& batches,
                 const ProbeFlags& flags, const Settings& settings) {
  const optim::ProbeLoss loss = probe_loss(model, workload, batches);
  optim::SharpnessOptions options;
  options.rho = flags.rho;
  options.layer_norm = flags.norm == "layer";
  options.estimate = true;
  const optim::Sharpness s = optim::measure_sharpness(model, loss, options);
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
    o["adapters"].push_back({{"module", a.module},
                             {"norm_a", a.norm_a},
                             {"norm_b", a.norm_b},
                             {"balancedness", a.balancedness},
                             {"condition_a", a.condition_a},
                             {"condition_b", a.condition_b}});
  if (flags.hessian) o["hessian"] = hessian_of(model, loss);
  if (flags.landscape != "none") o["landscape"] = landscape_of(model, loss, flags, settings);
  std::printf("%s\n", o.dump(2).c_str());
}

}  // namespace lowland::apps

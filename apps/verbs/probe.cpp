#include <cstdio>

#include "apps/common/progress.h"
#include "apps/report/report.h"
#include "apps/train/loader.h"
#include "apps/train/probes.h"
#include "apps/train/ranks.h"
#include "apps/verbs/session_verb.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "optim/average_sharpness.h"
#include "optim/hessian.h"
#include "optim/landscape.h"
#include "optim/sharpness.h"

namespace lowland::apps {
namespace {

struct ProbeSettings {
  double rho = 0.05;
  std::string norm = "global", split = "train";
  int64_t examples = 256;
  bool hessian = false;
  int64_t average = 0, trace = 0;  // draws
  std::string landscape = "none", html;
  int64_t points = 21;
  double range = 1;
  void add_flags(Flags& flags);
  void check() const;
};

void ProbeSettings::add_flags(Flags& f) {
  f.group("Probe");
  f.add("probe-rho", &rho, "Radius");
  f.add("probe-norm", &norm, "global: one norm over all adapted layers; layer: one for each");
  f.add("probe-split", &split, "train or dev");
  f.add("probe-examples", &examples, "The first N examples in file order");
  f.add("hessian", &hessian, "Also the largest eigenvalue of the Hessian over the adapter's numbers");
  f.add("trace", &trace, "Also the trace of the Hessian, by so many vectors of random signs");
  f.add("average", &average, "Also the mean rise along so many random directions of the same radius");
  f.add("landscape", &landscape, "none, 1d or 2d: the loss along one or two random directions");
  f.add("landscape-points", &points, "Points along each direction, odd");
  f.add("landscape-range", &range, "How far, as a share of the length of each row of the weights");
  f.add("html", &html, "Draw the landscape to this file");
}

void ProbeSettings::check() const {
  check_word("probe-norm", norm, {"global", "layer"});
  check_word("probe-split", split, {"train", "dev"});
  check_word("landscape", landscape, {"none", "1d", "2d"});
  LL_CHECK(points >= 3 && points % 2 == 1, "--landscape-points must be odd and at least 3, got {}", points);
  LL_CHECK(range > 0, "--landscape-range must be more than 0, got {}", range);
  LL_CHECK(html.empty() || landscape != "none", "--html draws a landscape: add --landscape 1d or 2d");
}

struct ProbeVerb : SessionVerb {
  using SessionVerb::SessionVerb;
  ProbeSettings probe;
  RankSettings ranks;
};

nlohmann::ordered_json hessian_of(nn::Model& model, const optim::ProbeLoss& loss) {
  const optim::HessianTop top = optim::largest_hessian_eigenvalue(model, loss, {});
  return {{"eigenvalue", top.eigenvalue}, {"iterations", top.iterations}, {"residual", top.residual}};
}

nlohmann::ordered_json average_of(nn::Model& model, const optim::ProbeLoss& loss, const ProbeSettings& settings) {
  const optim::AverageSharpness a =
      optim::measure_average_sharpness(model, loss, {.rho = settings.rho, .draws = settings.average});
  return {{"sharpness", a.sharpness}, {"error", a.error}, {"draws", settings.average}};
}

// Also written to RUN/landscape.json where there is a run, for `compare`, and drawn to --html.
nlohmann::ordered_json landscape_of(nn::Model& model, const optim::ProbeLoss& loss, const ProbeSettings& settings,
                                    const BaseSettings& base, bool writes) {
  optim::LandscapeOptions options;
  options.dimensions = settings.landscape == "2d" ? 2 : 1;
  options.points = settings.points;
  options.range = settings.range;
  Progress progress("landscape", options.dimensions == 2 ? settings.points * settings.points : settings.points);
  const optim::Landscape l =
      optim::measure_landscape(model, loss, options, [&](int64_t done) { progress.update(done, ""); });
  progress.finish();
  nlohmann::ordered_json o{{"dimensions", options.dimensions}, {"seed", options.seed}, {"at", l.at}, {"loss", l.loss}};
  if (!writes) return o;
  const std::filesystem::path run = base.run;
  if (!run.empty()) write_file_atomically(run / "landscape.json", o.dump() + "\n");
  if (!settings.html.empty())
    write_file_atomically(settings.html, landscape_html(run.empty() ? base.model : run.filename().string(), o));
  return o;
}

void run(ProbeVerb& verb, dist::Communicator& ranks) {
  const ProbeSettings& settings = verb.probe;
  settings.check();
  Session& session = verb.enter(true);
  session.open(verb.flags);
  const DataSplit split = parse_split("probe-split", settings.split);
  session.load(Wanted::only(split, false));
  const std::unique_ptr<nn::Model> model = filled_model(session, true);
  session.ranks = session.objective().ranks = &ranks;
  const Loader loader(session.objective(), *model, session.batch, static_cast<uint64_t>(session.system.seed));
  const std::vector<PackedBatch> batches = loader.first(split, settings.examples);
  const optim::ProbeLoss loss = probe_loss(*model, session.objective(), batches);
  optim::SharpnessOptions options;
  options.rho = settings.rho;
  options.layer_norm = settings.norm == "layer";
  options.estimate = true;
  const optim::Sharpness s = optim::measure_sharpness(*model, loss, options);
  nlohmann::ordered_json o;
  o["loss"] = s.loss;
  o["sharpness"] = s.sharpness;
  o["gradient_norm"] = s.gradient_norm;
  o["estimate_sharpness"] = s.estimate_sharpness;
  o["cosine"] = s.cosine;
  o["rho"] = settings.rho;
  o["norm"] = settings.norm;
  o["split"] = settings.split;
  int64_t examples = 0;
  for (const PackedBatch& b : batches) examples += static_cast<int64_t>(b.examples.size());
  o["examples"] = examples;
  o["adapters"] = adapters_json(model->arena());
  if (settings.average > 0) o["average"] = average_of(*model, loss, settings);
  if (settings.hessian) o["hessian"] = hessian_of(*model, loss);
  if (settings.trace > 0) {
    const optim::HessianTrace t = optim::hessian_trace(*model, loss, {.draws = settings.trace});
    o["hessian_trace"] = {{"trace", t.trace}, {"error", t.error}, {"draws", settings.trace}};
  }
  if (settings.landscape != "none") o["landscape"] = landscape_of(*model, loss, settings, session.base, ranks.leads());
  if (ranks.leads()) std::printf("%s\n", o.dump(2).c_str());
  session.finish();
}

}  // namespace

void add_probe(CLI::App& app, const Family& family) {
  const auto verb = std::make_shared<ProbeVerb>(
      app, family, "probe", "Measure the sharpness of the loss around a model or adapter, as JSON", family.session());
  Session& session = *verb->door;
  session.base.add_flags(verb->flags);
  session.add_flags(verb->flags, Verb::probe);
  add_flags(session.lora, verb->flags);
  session.system.add_flags(verb->flags);
  verb->flags.add("batch-size,batch", &session.batch.batch_size, "Examples per pass");
  verb->probe.add_flags(verb->flags);
  verb->ranks.add_flags(verb->flags);
  verb->flags.on_run([verb] {
    const auto ranks = join_ranks(verb->ranks, verb->door->system, verb->door->batch);
    run_together(*ranks, [&] { run(*verb, *ranks); });
  });
}

}  // namespace lowland::apps

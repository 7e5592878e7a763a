// plane: the loss over the plane that the start and the ends of two runs span.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "apps/common/progress.h"
#include "apps/report/report.h"
#include "apps/train/loader.h"
#include "apps/train/run_folder.h"
#include "apps/verbs/sweep_worker.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "optim/landscape.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

struct PlaneSettings {
  explicit PlaneSettings(CLI::App& verb) : flags(verb) {}
  Flags flags;
  std::string run, other, html, split = "train";
  int64_t examples = 256;
  optim::PlaneOptions plane;
};

// Runs of one start: the same model, data, seed and shape of adapter.
void check_pair(const json& one, const json& other, const PlaneSettings& s) {
  for (const char* name : {"model", "adapter", "data", "task", "train", "seed", "targets", "rank", "alpha", "rslora",
                           "init-lora-weights", "modules-to-save"})
    LL_CHECK(one.value(name, json()) == other.value(name, json()),
             "{} and {} did not start from one place: {} is {} and {}", s.run, s.other, name,
             one.value(name, json()).dump(), other.value(name, json()).dump());
  for (const json* settings : {&one, &other})
    LL_CHECK(settings->value("method", "") != "full", "a plane is one of adapters, and full trains none");
}

// Where a run of the model ended: all that it trained.
Tensor end_of(const fs::path& run, nn::Model& model, const HubFamily& hub) {
  fill_adapter(model, load_adapter((run / "adapter").string(), hub.rename));
  return model.arena().values().clone();
}

std::string name_of_run(const std::string& folder) {
  fs::path path = fs::path(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

void run(const Family& family, const PlaneSettings& s) {
  const DataSplit split = parse_split("split", s.split);
  const json stored = read_run_settings(s.run);
  check_pair(stored, read_run_settings(s.other), s);
  RunDoor door(family, {"finetune"});
  door.verb().flags.take_all(stored, (fs::path(s.run) / "run.json").string());
  Session& session = *door.verb().door;
  session.open(door.verb().flags);
  session.load(Wanted::only(split, false));
  const std::unique_ptr<nn::Model> model = filled_model(session, true);
  const HubFamily hub = family.hub(session.folder);
  const Tensor start = model->arena().values().clone();
  const Tensor one = end_of(s.run, *model, hub), other = end_of(s.other, *model, hub);
  const Loader loader(session.objective(), *model, session.batch, static_cast<uint64_t>(session.system.seed));
  const std::vector<PackedBatch> batches = loader.first(split, s.examples);
  const optim::ProbeLoss loss = probe_loss(*model, session.objective(), batches);
  Progress progress("plane", s.plane.points * s.plane.points);
  const optim::Landscape l =
      optim::measure_plane(*model, loss, start, one, other, s.plane, [&](int64_t done) { progress.update(done, ""); });
  progress.finish();
  const nlohmann::ordered_json o{
      {"one", name_of_run(s.run)}, {"other", name_of_run(s.other)}, {"at", l.at}, {"loss", l.loss}};
  std::printf("%s\n", o.dump(2).c_str());
  if (!s.html.empty())
    write_file_atomically(s.html, plane_html(fmt::format("{} and {}", name_of_run(s.run), name_of_run(s.other)), o));
}

}  // namespace

void add_plane(CLI::App& app, const Family& family) {
  const char* const about = "The loss over the plane of where two runs started and ended, as JSON";
  const auto settings = std::make_shared<PlaneSettings>(*app.add_subcommand("plane", about));
  Flags& f = settings->flags;
  f.add_positional("RUN", &settings->run, "A run");
  f.add_positional("OTHER", &settings->other, "Another one of the same model, data and seed");
  f.add("split", &settings->split, "train or dev");
  f.add("examples", &settings->examples, "The first N examples in file order");
  f.add("points", &settings->plane.points, "Points along each direction");
  f.add("margin", &settings->plane.margin, "How far beyond the three places, in their distance");
  f.add("html", &settings->html, "Draw the plane to this file");
  f.on_run([&family, settings] { run(family, *settings); });
}

}  // namespace lowland::apps

#include "apps/verbs/sweep_worker.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <set>

#include "apps/common/progress.h"
#include "apps/sweep/results.h"
#include "apps/train/loader.h"
#include "apps/train/loop.h"
#include "apps/train/probes.h"
#include "apps/train/roundings.h"
#include "apps/train/score.h"
#include "apps/verbs/program.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/hub/initial_pairs.h"

namespace lowland::apps {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

// What is opened does not depend on how it is trained: another run may have other such flags over the same data.
bool is_of_training(const Flags& flags, const std::string& name) {
  const std::string heading = flags.heading(name);
  return (heading == "Training" || heading == "Method") && name != "label-smoothing";
}

json part_of(const json& settings, const std::function<bool(const std::string&)>& which) {
  json part = json::object();
  for (const auto& [name, value] : settings.items())
    if (which(name)) part[name] = value;
  return part;
}

json some_of(const json& settings, const std::set<std::string>& names) {
  return part_of(settings, [&](const std::string& name) { return names.contains(name); });
}

ordered_json rounded_seconds(double seconds) { return std::round(seconds * 1000) / 1000; }

}  // namespace

RunDoor::RunDoor(const Family& family, const std::vector<std::string>& arguments)
    : program_(std::make_unique<CLI::App>()) {
  program_->require_subcommand(1);
  verb_ = std::make_unique<TrainVerb>(*program_, family, "finetune", "", family.session());
  add_train_flags(*verb_, Verb::finetune);
  parse_flags(*program_, arguments);
  LL_CHECK(!verb_->flags.given("run"), "run is not a flag of a sweep's runs: name model, adapter and data");
  take_defaults(*verb_);
  LL_CHECK(&verb_->door->chosen() == verb_->door.get(), "a sweep cannot train this task yet");
  checked(*verb_);
}

RunDoor::~RunDoor() = default;

SweepWorker::SweepWorker(const Family& family, const Sweep& sweep, const Variables& variables, std::string out,
                         int64_t threads)
    : family_(family), sweep_(sweep), variables_(variables), out_(std::move(out)), threads_(threads) {
  if (sweep.cache_mb > 0) blocks_ = std::make_shared<nn::BlockCache>(static_cast<size_t>(sweep.cache_mb) << 20);
}

SweepWorker::~SweepWorker() = default;

void SweepWorker::forget_weights() {
  frozen_.clear();
  if (blocks_) blocks_->clear();
}

// The session of the door, opened and loaded; the one that is open where that differs in nothing but its training.
Session& SweepWorker::opened(std::unique_ptr<RunDoor> door) {
  const json settings = door->settings();
  const auto trains = [&](const std::string& name) { return is_of_training(door->verb().flags, name); };
  const json here = part_of(settings, [&](const std::string& name) { return !trains(name); });
  if (door_ && here == opened_with_) {
    door_->verb().flags.take_all(part_of(settings, trains), "the sweep");
    return *door_->verb().door;
  }
  const json context = some_of(settings, {"device", "dtype", "tf32", "threads"});
  if (context != context_with_) {
    forget_weights();
    elsewhere_.clear();
    door_.reset();
    context_.reset();
  }
  door_ = std::move(door);
  opened_with_ = nullptr;
  Session& session = *door_->verb().door;
  session.context = context_;
  session.open(door_->verb().flags);
  session.load({.train = true, .dev = true, .test = sweep_.score_test && session.has_test()});
  context_ = session.context;
  context_with_ = context;
  opened_with_ = here;
  return session;
}

std::unique_ptr<nn::Model> SweepWorker::model_of(Session& session) {
  const json model = some_of(door_->settings(), {"model", "weights-dtype"});
  const bool whole = session.base.adapter.empty() && session.base.add_tokens.empty() && !session.base.random_init &&
                     !takes_from_base(session.lora.init);
  if (!whole || model != model_with_) forget_weights();
  model_with_ = model;
  std::unique_ptr<nn::Model> filled = filled_model(session, true, frozen_);
  if (whole) frozen_.merge(filled->parameters().frozen());
  if (whole && blocks_) {
    blocks_->begin_run();
    filled->set_block_cache(blocks_);
  }
  return filled;
}

// The metrics of the sweep's other data, by their names. What a run has open stays; each of these is opened once.
ordered_json SweepWorker::elsewhere(const SweepRun& run, const nn::Model& model, bool before) {
  ordered_json all = ordered_json::object();
  for (const NamedFlags& other : sweep_.also) {
    auto door = std::make_unique<RunDoor>(family_, run_arguments(run, other.flags));
    const Flags& flags = door->verb().flags;
    const json with = part_of(door->settings(), [&](const std::string& name) { return !is_of_training(flags, name); });
    Elsewhere& at = elsewhere_[other.name];
    auto& open = at.door;
    if (!open || at.with != with) {
      at.with = with;
      at.before = nullptr;
      open = std::move(door);
      Session& session = *open->verb().door;
      session.context = context_;
      session.open(open->verb().flags);
      session.load({.train = false, .dev = true, .test = false, .scoring = true});
    }
    const Session& session = *open->verb().door;
    const bool kept = before && session.base.adapter.empty() && !takes_from_base(session.lora.init);
    if (!kept || at.before.is_null()) {
      all[other.name] = session.objective().evaluate(model, DataSplit::dev, session.batch).metrics;
      if (kept) at.before = all[other.name];
    } else {
      all[other.name] = at.before;
    }
  }
  return all;
}

// The scores of dev and test into the line; all metrics of both.
ordered_json SweepWorker::score(const Session& session, const nn::Model& model, ordered_json& line) const {
  ordered_json metrics = ordered_json::object();
  for (const DataSplit split : {DataSplit::dev, DataSplit::test}) {
    if (!session.can_score(split)) continue;
    Evaluation e = session.objective().evaluate(model, split, session.batch);
    score_by(door_->verb().training.best_metric, e);
    line["score_name"] = e.score_name;
    line[name_of(split)] = is_defined(e) ? ordered_json(e.score_value()) : ordered_json();
    metrics[name_of(split)] = e.metrics;
  }
  return metrics;
}

void SweepWorker::train_and_score(const SweepRun& run, Session& session, ordered_json& line) {
  const TrainingSettings& training = door_->verb().training;
  const std::unique_ptr<nn::Model> model = model_of(session);
  const Objective& objective = session.objective();
  check_metric(training.best_metric, objective);
  const auto method = optim::make_method(session.method.name, model->arena(),
                                         training.method_options(session.method, session.system.seed));
  ordered_json before;
  if (!sweep_.also.empty()) before = elsewhere(run, *model, true);
  session.context->memory().reset_peak();
  const Clock::time_point start = Clock::now();
  const TrainReport report = train({.model = *model,
                                    .method = *method,
                                    .objective = objective,
                                    .settings = training,
                                    .batch = session.batch,
                                    .system = session.system,
                                    .write_result = {},
                                    .result = session.result()});
  const double seconds = seconds_since(start);
  line["metrics"] = score(session, *model, line);
  for (const std::string& name : sweep_.quantise) {
    const optim::RoundedWeights rounded(*model, rounding_of(name));
    score(session, *model, line["quantised"][name]);
  }
  if (!sweep_.also.empty()) line["also"] = {{"before", before}, {"after", elsewhere(run, *model, false)}};
  if (sweep_.probe_examples > 0) {
    const Loader loader(objective, *model, session.batch, static_cast<uint64_t>(session.system.seed));
    const std::vector<PackedBatch> batches = loader.first(DataSplit::train, sweep_.probe_examples);
    line.update(run_probes(sweep_.probes, *model, probe_loss(*model, objective, batches), *method, sweep_.probe_rho));
  }
  if (sweep_.keep_adapters) {
    AtomicDirectory folder(out_ + "/adapters/" + run.folder());
    session.write(*model, folder.temporary());
    folder.commit();
  }
  line[method->loss_name()] = report.state.train_loss;
  line["steps"] = report.steps;
  line["peak_bytes"] = report.state.peak_bytes;
  line["train_seconds"] = rounded_seconds(seconds);
}

std::vector<std::string> SweepWorker::run_arguments(const SweepRun& run, const FlagValues& instead) const {
  std::vector<std::string> arguments = arguments_of(run, variables_, instead);
  if (find_flag(run.flags, "threads") == nullptr) arguments.push_back(fmt::format("--threads={}", threads_));
  return arguments;
}

ordered_json SweepWorker::run(const SweepRun& run) {
  const Clock::time_point start = Clock::now();
  ordered_json line = head_of(run);
  say(fmt::format("--- {}", run.name()));
  try {
    Session& session = opened(std::make_unique<RunDoor>(family_, run_arguments(run, {})));
    train_and_score(run, session, line);
    line["threads"] = session.context->threads();
    if (blocks_ && blocks_->counts().found > 0)
      say(fmt::format("lower layers: {} batches were kept, {} made ({} MB)", blocks_->counts().found,
                      blocks_->counts().made, blocks_->counts().bytes >> 20));
  } catch (const Error& e) {
    say(fmt::format("error: {}", e.what()));
    line["error"] = e.what();
    door_.reset();  // whatever state it was left in
    opened_with_ = nullptr;
  }
  line["version"] = LOWLAND_VERSION;
  line["commit"] = LOWLAND_COMMIT;
  line["seconds"] = rounded_seconds(seconds_since(start));
  return line;
}

}  // namespace lowland::apps

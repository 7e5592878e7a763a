// The training loop against its arithmetic: a line fitted by gradient descent, followed by plain loops in double.
#include "apps/train/loop.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/apps/line.h"
#include "tests/apps/program.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::apps;
using namespace lowland::test;

namespace {

// Eleven examples, four of them a step in micro-batches of two, twice: six steps, of which two warm up.
struct Run {
  TrainingSettings settings;
  BatchSettings batch;
  SystemSettings system;
  OutputSettings output;
  int stop_after = -1;          // results written, then it ends as if it were killed
  std::vector<Values> written;  // what was trained, whenever a result was written
  TrainReport report;

  explicit Run(const std::string& out) {
    settings.optimizer = "sgd";
    settings.lr = 0.2;
    settings.weight_decay = 0.1;
    settings.warmup_ratio = 0.3;
    settings.max_grad_norm = 0;
    settings.epochs = 2;
    settings.logging_steps = 4;
    settings.save_steps = 5;
    batch.batch_size = batch.grad_accum = 2;
    system.seed = 9;
    output.out = out;
  }
  void go(nn::Model& model, const Objective& objective, const std::string& name, optim::OptionValues values = {}) {
    optim::MethodOptions options = settings.method_options(default_settings(name));
    options.values = std::move(values);
    const auto method = optim::make_method(name, model.arena(), options);
    RunFolder folder(output, {});
    folder.begin(nlohmann::json::object());
    const auto keep = [&](const std::filesystem::path&) {
      if (std::ssize(written) == stop_after) fail("killed");
      written.push_back(model.arena().values().to_vector<double>());
    };
    report = train({.model = model,
                    .method = *method,
                    .objective = objective,
                    .settings = settings,
                    .batch = batch,
                    .system = system,
                    .write_result = keep,
                    .result = "line"},
                   folder);
  }
};

// What each of the six steps learns from, as it was packed.
std::vector<std::vector<int64_t>> steps_of(const Points& points) {
  std::vector<std::vector<int64_t>> steps(6);
  for (const Points::Packed& p : points.packed) {
    std::vector<int64_t>& step = steps.at(static_cast<size_t>(p.place.step));
    CHECK(p.place.epoch == p.place.step / 3);
    CHECK(p.place.first == std::ssize(step));
    CHECK(p.which.size() <= 2);
    step.insert(step.end(), p.which.begin(), p.which.end());
  }
  return steps;
}

double mean_square(const Values& w, const std::vector<int64_t>& examples) {
  double sum = 0, n = 0;
  for (const int64_t e : examples)
    if (has_target(e)) sum += error(w, e) * error(w, e), ++n;
  return sum / n;
}

}  // namespace

TEST_CASE("training loop: gradient descent by hand, with its log, evaluations and checkpoints") {
  const TestFolder w;
  Context context({}, 1);
  Line line(context, false);
  const Points points;
  Run run(w / "run");
  run.go(line, points, "full");
  const auto steps = steps_of(points);
  std::set<int64_t> epoch;
  for (size_t t = 0; t < 3; ++t) epoch.insert(steps[t].begin(), steps[t].end());
  CHECK(epoch.size() == kTrain);

  Values v = {0.3, -0.2, 0.1}, losses, norms;
  std::vector<Values> after;
  for (size_t t = 0; t < 6; ++t) {
    const auto i = static_cast<double>(t);
    const double lr = 0.2 * (t < 2 ? i / 2 : (6 - i) / 4);
    Values g(kWidth);
    double targets = 0, squares = 0;
    for (const int64_t e : steps[t]) targets += has_target(e);
    for (const int64_t e : steps[t])
      for (int64_t c = 0; has_target(e) && c < kWidth; ++c)
        g[static_cast<size_t>(c)] += 2 * error(v, e) * input(e, c) / targets;
    for (const double x : g) squares += x * x;
    losses.push_back(mean_square(v, steps[t]));
    norms.push_back(std::sqrt(squares));
    for (size_t c = 0; c < v.size(); ++c) v[c] -= lr * (g[c] + 0.1 * v[c]);
    after.push_back(v);
  }
  const std::vector<int64_t> dev = {kTrain, kTrain + 1, kTrain + 2, kTrain + 3};
  const double scores[] = {mean_square(after[2], dev), mean_square(after[5], dev)};
  REQUIRE(scores[1] < scores[0]);
  REQUIRE(run.written.size() == 5);  // the best of two evaluations, two checkpoints, the end
  const size_t step_written[] = {3, 5, 6, 6, 6};
  for (size_t i = 0; i < 5; ++i) CHECK(max_abs_diff(run.written[i], after[step_written[i] - 1]) < 1e-12);
  CHECK(std::filesystem::exists(w / "run/line-best"));
  CHECK(std::filesystem::exists(w / "run/checkpoint-5/trainer_state.json"));

  const std::vector<nlohmann::json> lines = read_metrics(w / "run");
  REQUIRE(lines.size() == 4);
  const auto near = [](double x) { return doctest::Approx(x).epsilon(1e-10); };
  CHECK(lines[0].at("step") == 3);
  CHECK(lines[0].at("eval_loss").get<double>() == near(scores[0]));
  CHECK(lines[1].at("step") == 4);
  CHECK(lines[1].at("loss").get<double>() == near((losses[0] + losses[1] + losses[2] + losses[3]) / 4));
  CHECK(lines[1].at("learning_rate").get<double>() == near(0.15));
  CHECK(lines[1].at("grad_norm").get<double>() == near(norms[3]));
  CHECK(lines[2].at("loss").get<double>() == near((losses[4] + losses[5]) / 2));
  CHECK(lines[2].at("epoch").get<double>() == near(2));
  CHECK(lines[3].at("eval_loss").get<double>() == near(scores[1]));
  CHECK(run.report.state.best_step == 6);
  CHECK(run.report.steps == 6);
}

TEST_CASE("training loop: a run that is resumed in the middle of a logged window ends as one that was left alone") {
  const TestFolder w;
  Context context({}, 1);
  const Points points;
  Run whole(w / "whole"), killed(w / "resumed"), resumed(w / "resumed");
  Line first(context, false), second(context, false), third(context, false);
  whole.go(first, points, "full");
  killed.stop_after = 2;  // the best of step 3, the checkpoint of step 5
  CHECK_THROWS_WITH_AS(killed.go(second, points, "full"), "killed", Error);
  resumed.output.resume = true;
  resumed.go(third, points, "full");
  CHECK(resumed.written.size() == 3);
  CHECK(resumed.written.back() == whole.written.back());
  CHECK(read_metrics(w / "resumed") == read_metrics(w / "whole"));
}

TEST_CASE("micro-batches: by number or by tokens, each with one example at least") {
  using Batches = std::vector<std::vector<int64_t>>;
  const std::vector<int32_t> lengths = {2, 3, 9, 1, 4, 4};
  const std::vector<int64_t> all = {0, 1, 2, 3, 4, 5};
  CHECK(micro_batches(lengths, all, 4, 0) == Batches{{0, 1, 2, 3}, {4, 5}});
  CHECK(micro_batches(lengths, all, 1, 5) == Batches{{0, 1}, {2}, {3, 4}, {5}});
  CHECK(micro_batches(lengths, {5, 0, 2}, 2, 0) == Batches{{5, 0}, {2}});
  CHECK(micro_batches(lengths, {}, 2, 0).empty());
}

TEST_CASE("training loop: both passes of a step see the same, the second at the radius of the step") {
  const TestFolder w;
  Context context({}, 1);
  Line line(context, true);
  const Points points;
  struct Pass {
    std::vector<int64_t> examples;
    uint64_t seed, step;
    double radius;
  };
  std::vector<Pass> passes;
  points.seen = [&](const PackedBatch& batch, const nn::Mode& mode) {
    if (!mode.training) return;
    double squares = 0;
    for (const nn::Role role : {nn::Role::lora_a, nn::Role::lora_b})
      for (const double x : line.arena().perturbation(role).to_vector<double>()) squares += x * x;
    passes.push_back({batch.examples, mode.seed, mode.step, line.arena().perturbed() ? std::sqrt(squares) : 0});
  };
  Run run(w / "run");
  run.settings.logging_steps = 1;
  run.go(line, points, "lora-sam", {{"rho", 0.05}, {"rho-schedule", "linear"}});
  size_t at = 0;
  for (uint64_t t = 0; t < 6; ++t) {
    const size_t parts = (steps_of(points)[t].size() + 1) / 2;
    REQUIRE(at + 2 * parts <= passes.size());
    for (size_t i = 0; i < parts; ++i) {
      const Pass &first = passes[at + i], &second = passes[at + parts + i];
      CHECK(first.examples == second.examples);
      CHECK(first.radius == 0);
      CHECK(second.radius == doctest::Approx(0.05 * (1 - static_cast<double>(t) / 6)).epsilon(1e-10));
      for (const Pass* p : {&first, &second}) {
        CHECK(p->seed == 9);
        CHECK(p->step == t);
      }
    }
    at += 2 * parts;
  }
  CHECK(at == passes.size());
  // The first loss is that of the first pass alone, and A's perturbation, where B is zero, is none.
  CHECK(read_metrics(w / "run")[0].at("loss").get<double>() ==
        doctest::Approx(mean_square({0.3, -0.2, 0.1}, steps_of(points)[0])).epsilon(1e-10));
}

// Training shared by processes against one process, in double: the same example draws, sums and updates, whatever the
// number of processes and however the examples fall on them.
#include <doctest/doctest.h>

#include <array>
#include <mutex>
#include <set>

#include "apps/train/loop.h"
#include "apps/train/ranks.h"
#include "engine/dist/communicator.h"
#include "engine/error.h"
#include "tests/apps/line.h"
#include "tests/apps/program.h"
#include "tests/dist/ranks.h"

using namespace lowland;
using namespace lowland::apps;
using namespace lowland::test;

namespace {

using Folder = TestFolder;

struct Result {
  Values values;                        // of the arena, at the end
  std::vector<nlohmann::json> metrics;  // of the first process
  std::vector<Points::Packed> packed;   // of all processes
  double best = 0;
};

struct Settings {
  int64_t batch_size = 2, grad_accum = 2, batch_tokens = 0;
  std::string ascent = "all", optimizer = "adamw";
  int64_t max_steps = 0, sharpness_steps = 0;
  bool resume = false;
  std::function<void(int rank, nn::Model&)> before = [](int, nn::Model&) {};
};

// What one process does.
void train_one(dist::Communicator& ranks, const std::string& out, const std::string& name, const Settings& s,
               Result& result) {
  static std::mutex one_at_a_time;
  Context context({}, 1);
  Line line(context, name != "full");
  s.before(ranks.rank().index, line);
  const Points points;
  TrainingSettings settings;
  settings.optimizer = s.optimizer;
  settings.lr = 0.05;
  settings.weight_decay = 0.1;
  settings.warmup_ratio = 0.3;
  settings.max_grad_norm = 0.5;
  settings.epochs = 2;
  settings.max_steps = s.max_steps;
  settings.logging_steps = 1;
  settings.save_steps = 4;
  settings.sharpness_steps = s.sharpness_steps;
  settings.ascent = s.ascent;
  settings.momentum = s.optimizer == "sgd" ? 0.9 : 0;
  BatchSettings batch;
  batch.batch_size = s.batch_size;
  batch.grad_accum = s.grad_accum;
  batch.batch_tokens = s.batch_tokens;
  batch.rank = ranks.rank();
  SystemSettings system;
  system.seed = 9;
  const auto method = optim::make_method(name, line.arena(), settings.method_options(default_settings(name), 9));
  const OutputSettings output{.out = out, .resume = s.resume, .overwrite = false, .verbose = false};
  RunFolder folder = ranks.leads() ? RunFolder(output, {}) : RunFolder(s.resume);
  folder.begin(nlohmann::json::object());
  const TrainReport report = train({.model = line,
                                    .method = *method,
                                    .objective = points,
                                    .settings = settings,
                                    .batch = batch,
                                    .system = system,
                                    .write_result = [](const std::filesystem::path&) {},
                                    .result = "line",
                                    .ranks = &ranks},
                                   folder);
  const std::lock_guard lock(one_at_a_time);
  result.packed.insert(result.packed.end(), points.packed.begin(), points.packed.end());
  const Values values = line.arena().values().to_vector<double>();
  if (!ranks.leads()) LL_CHECK(result.values.empty() || result.values == values, "the processes differ");
  result.values = values;
  if (ranks.leads()) result.best = report.state.best->score;
}

Result trained(const Folder& w, int world, const std::string& name, const Settings& s, const std::string& label = "") {
  Result result;
  const std::string out = w / (name + label + std::to_string(world));
  must_run(world, [&](dist::Communicator& ranks) { train_one(ranks, out, name, s, result); });
  result.metrics = read_metrics(out);
  return result;
}

void check_same(const Result& a, const Result& b) {
  CHECK(max_abs_diff(a.values, b.values) < 1e-12);
  CHECK(std::abs(a.best - b.best) < 1e-12);
  REQUIRE(a.metrics.size() == b.metrics.size());
  for (size_t i = 0; i < a.metrics.size(); ++i) {
    REQUIRE(a.metrics[i].size() == b.metrics[i].size());
    for (const auto& [key, value] : a.metrics[i].items()) {
      const std::string what = key;
      CAPTURE(what);
      CHECK(value.get<double>() == doctest::Approx(b.metrics[i].at(key).get<double>()).epsilon(1e-10));
    }
  }
}

}  // namespace

TEST_CASE("step's parts: in order, all of it, each with about its share of the tokens") {
  const std::vector<int32_t> lengths = {5, 1, 9, 3, 0, 7, 7, 2, 30, 1};
  const std::vector<int64_t> step = {9, 3, 8, 0, 1, 2, 5, 7};
  for (int world = 1; world <= 12; ++world) {
    CAPTURE(world);
    int64_t at = 0;
    for (int r = 0; r < world; ++r) {
      const StepPart part = part_of(lengths, step, r, world);
      CHECK(part.begin == at);
      CHECK(part.end >= part.begin);
      at = part.end;
    }
    CHECK(at == std::ssize(step));
  }
  // No more than half an example on each side is too much or too little.
  const std::vector<int32_t> even(40, 10);
  const std::vector<int64_t> forty = first_examples(40, 40);
  for (int r = 0; r < 4; ++r) CHECK(part_of(even, forty, r, 4).end - part_of(even, forty, r, 4).begin == 10);
  CHECK(part_of(even, {3}, 0, 2).end + part_of(even, {3}, 1, 2).end == 1 + part_of(even, {3}, 0, 2).end);
  CHECK(part_of(even, {}, 1, 2).end == 0);
}

TEST_CASE("training by several: every method as by one, steps with a short end and processes without an example") {
  for (const optim::MethodRow& row : optim::methods()) {
    CAPTURE(row.name);
    const Folder w;
    const Result one = trained(w, 1, row.name, {});
    REQUIRE(one.values.size() > 0);
    for (const int world : {2, 3, 4}) {
      CAPTURE(world);
      const Result several = trained(w, world, row.name, {});
      check_same(one, several);
      // Each example once in its step, under the number that it has there.
      std::set<std::array<int64_t, 2>> numbers, alone;
      for (const Points::Packed& p : several.packed)
        for (size_t i = 0; i < p.which.size(); ++i)
          numbers.insert({p.place.step, 1000 * (p.place.first + static_cast<int64_t>(i)) + p.which[i]});
      for (const Points::Packed& p : one.packed)
        for (size_t i = 0; i < p.which.size(); ++i)
          alone.insert({p.place.step, 1000 * (p.place.first + static_cast<int64_t>(i)) + p.which[i]});
      CHECK(numbers == alone);
    }
  }
}

TEST_CASE("training by several: one example a step, token budgets, SGD and IVON, sharpness") {
  const Folder w;
  Settings single;
  single.batch_size = single.grad_accum = 1;
  single.max_steps = 1;  // the second one's example has no target
  check_same(trained(w, 1, "eflat-lora", single, "single"), trained(w, 3, "eflat-lora", single, "single"));
  Settings tokens;
  tokens.batch_tokens = 3;
  check_same(trained(w, 1, "flat-lora", tokens, "tokens"), trained(w, 2, "flat-lora", tokens, "tokens"));
  for (const char* optimizer : {"sgd", "ivon"}) {
    Settings s;
    s.optimizer = optimizer;
    check_same(trained(w, 1, "lora", s, optimizer), trained(w, 4, "lora", s, optimizer));
  }
  Settings sharp;
  sharp.sharpness_steps = 2;
  check_same(trained(w, 1, "eflat-lora", sharp, "sharp"), trained(w, 2, "eflat-lora", sharp, "sharp"));
}

TEST_CASE("training by several: the same number of processes gives the same bits, and --ascent local other ones") {
  const Folder w;
  const Result first = trained(w, 3, "lora-sam", {}, "first"), again = trained(w, 3, "lora-sam", {}, "again");
  CHECK(first.values == again.values);
  CHECK(first.metrics == again.metrics);
  Settings local;
  local.ascent = "local";
  const Result own = trained(w, 3, "lora-sam", local, "local");
  CHECK(max_abs_diff(first.values, own.values) > 1e-9);
  check_same(trained(w, 1, "lora-sam", {}), trained(w, 1, "lora-sam", local, "local"));
}

TEST_CASE("training by several: a run goes on with another number of processes") {
  const Folder w;
  const Result whole = trained(w, 1, "eflat-lora", {}, "whole");
  const std::string out = w / "moved";
  Result before, result;
  must_run(3, [&](dist::Communicator& ranks) { train_one(ranks, out, "eflat-lora", {}, before); });
  // As if all had been killed behind the checkpoint of step 4.
  for (const char* name : {"line", "line-best", "checkpoint-6"}) std::filesystem::remove_all(out + "/" + name);
  REQUIRE(std::filesystem::exists(out + "/checkpoint-4"));
  Settings on;
  on.resume = true;
  must_run(2, [&](dist::Communicator& ranks) { train_one(ranks, out, "eflat-lora", on, result); });
  result.metrics = read_metrics(out);
  check_same(whole, result);
}

TEST_CASE("training by several: numbers that have come apart are noticed, at the latest at a checkpoint") {
  const Folder w;
  Settings apart;
  apart.before = [](int rank, nn::Model& model) {
    if (rank == 1) model.arena().values().slice_rows(0, 1).assign<double>({0.5});
  };
  Result none;
  const auto threw =
      run_ranks(2, [&](dist::Communicator& ranks) { train_one(ranks, w / "apart", "lora", apart, none); });
  for (const std::string& t : threw)
    CHECK(t.find("rank 1 is not as rank 0: after step 4 it has trained other numbers") != std::string::npos);
  CHECK(!std::filesystem::exists(w / "apart/checkpoint-4"));
}

TEST_CASE("evaluation by several: each batch once, and the loss of one process bit for bit") {
  const Points points;
  Context context({}, 1);
  Line line(context, false);
  BatchSettings batch;
  batch.batch_size = 3;
  const double one = mean_loss(points, line, DataSplit::train, batch).loss;
  std::vector<double> several(3);
  must_run(3, [&](dist::Communicator& ranks) {
    Context own({}, 1);
    Line same(own, false);
    const Points mine;
    mine.ranks = &ranks;
    several[static_cast<size_t>(ranks.rank().index)] = mean_loss(mine, same, DataSplit::train, batch).loss;
  });
  for (const double loss : several) CHECK(loss == one);
}

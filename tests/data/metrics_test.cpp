#include "apps/metrics/metrics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

namespace {

nlohmann::json golden(const char* part) {
  return nlohmann::json::parse(std::ifstream(LL_SOURCE_DIR "/tests/golden/metrics.json")).at(part);
}

bool close(double got, const nlohmann::json& want) { return std::abs(got - want.get<double>()) <= 1e-12; }

bool close(const std::optional<double>& got, const nlohmann::json& want) {
  return want.is_null() ? !got.has_value() : got.has_value() && close(*got, want);
}

// Logits of two classes that pick `predicted`.
std::vector<double> logits(const std::vector<int>& predicted) {
  std::vector<double> out;
  for (const int p : predicted) out.insert(out.end(), {p ? -1.5 : 0.25, p ? 0.5 : -2.0});
  return out;
}

}  // namespace

TEST_CASE("metrics: equal to scikit-learn") {
  const nlohmann::json cases = golden("classification");
  CHECK(cases.size() == 16);
  for (const auto& c : cases) {
    CAPTURE(c["name"].get<std::string>());
    const auto predicted = c["predicted"].get<std::vector<int>>(), labels = c["labels"].get<std::vector<int>>();
    CHECK(close(accuracy(predicted, labels), c["accuracy"]));
    CHECK(close(f1(predicted, labels), c["f1"]));
    CHECK(close(matthews_correlation(predicted, labels), c["matthews_correlation"]));
  }
}

TEST_CASE("metrics: equal to scipy") {
  const nlohmann::json cases = golden("regression");
  CHECK(cases.size() == 24);
  for (const auto& c : cases) {
    CAPTURE(c["name"].get<std::string>());
    const auto x = c["x"].get<std::vector<double>>(), y = c["y"].get<std::vector<double>>();
    CHECK(close(pearson(x, y), c["pearson"]));
    CHECK(close(spearmanr(x, y), c["spearmanr"]));
    CHECK(close(pearson(y, x), c["pearson"]));
  }
}

TEST_CASE("metrics: by task, in order") {
  const std::vector<double> labels = {0, 1, 1, 0};
  const MetricResult mrpc = compute_metrics(task_info("mrpc"), logits({0, 1, 0, 0}), labels);
  REQUIRE(mrpc.values.size() == 3);
  CHECK(mrpc.values[0].name == "accuracy");
  CHECK(mrpc.values[0].value == 0.75);
  CHECK(mrpc.values[1].name == "f1");
  CHECK(*mrpc.values[1].value == doctest::Approx(2.0 / 3));
  CHECK(*mrpc.find("combined_score") == doctest::Approx((0.75 + 2.0 / 3) / 2));
  CHECK(mrpc.warning(task_info("mrpc")).empty());

  const MetricResult one = compute_metrics(task_info("cola"), logits({1, 1, 1, 1}), labels);
  CHECK(one.find("matthews_correlation") == 0.0);
  CHECK(one.only_class == 1);
  CHECK(one.warning(task_info("cola")) == "every prediction is `acceptable`");

  const TaskInfo swapped = remap_labels(task_info("mrpc"), {{"equivalent", 0}, {"not_equivalent", 1}});
  CHECK(compute_metrics(swapped, logits({1, 0, 1, 1}), std::vector<double>{1, 0, 0, 1}).find("f1") == mrpc.find("f1"));
}

TEST_CASE("metrics: an undefined correlation is null") {
  const TaskInfo stsb = task_info("stsb");
  const std::vector<double> targets = {1, 2, 3};
  for (const double bad : {0.1, std::nan(""), std::numeric_limits<double>::infinity()}) {
    const MetricResult constant = compute_metrics(stsb, std::vector<double>{bad, bad, bad}, targets);
    CHECK_FALSE(constant.find("pearson").has_value());
    CHECK_FALSE(constant.find("spearmanr").has_value());
    CHECK_FALSE(constant.find("combined_score").has_value());
  }
  const MetricResult good = compute_metrics(text_task({}, false), std::vector<double>{1, 2, 4}, targets);
  CHECK(*good.find("mse") == doctest::Approx(1.0 / 3));
  CHECK(good.find("spearmanr") == doctest::Approx(1.0));
  CHECK(good.only_class == -1);
}

TEST_CASE("metrics: argmax takes the first, mistakes are refused") {
  CHECK(argmax_rows(std::vector<double>{1, 1, 0, 2, 5, 5}, 3) == std::vector<int>{0, 1});
  const TaskInfo rte = task_info("rte");
  const auto fails = [&](const std::vector<double>& out, const std::vector<double>& t) {
    return error_of([&] { compute_metrics(rte, out, t); });
  };
  CHECK(contains(fails({1, 2}, {0, 1}), "1 predictions for 2 labels"));
  CHECK(contains(fails({}, {}), "nothing to score"));
  CHECK(contains(fails({1, 2, 3}, {0}), "3 outputs are no rows of 2"));
  CHECK(contains(fails({1, 2}, {2}), "2 is not a class id of task rte"));
  CHECK(contains(fails({1, std::nan("")}, {0}), "an output of example 0 is NaN"));
  Example unlabelled;
  unlabelled.line = 9;
  CHECK(contains(error_of([&] {
                   compute_metrics(rte, std::vector<double>{1, 2}, std::vector<Example>{unlabelled});
                 }),
                 "the example of line 9 has no label"));
}

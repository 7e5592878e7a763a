#include "apps/metrics/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/metrics/xtensor.h"
#include "engine/error.h"

namespace lowland {
namespace {

size_t checked_size(size_t a, size_t b) {
  LL_CHECK(a == b, "{} predictions for {} labels", a, b);
  LL_CHECK(a > 0, "there is nothing to score");
  return a;
}

using Vector = xt::xtensor<double, 1>;

// The numbers as an array, where they are.
template <class T> auto array_of(std::span<const T> x) {
  return xt::adapt(x.data(), x.size(), xt::no_ownership(), std::array<size_t, 1>{x.size()});
}

// Deviations from the mean, scaled to a largest magnitude of 1 so that squares neither overflow nor vanish.
// Empty if x is constant or not finite.
Vector deviations(std::span<const double> numbers) {
  const auto x = array_of(numbers);
  if (!xt::all(xt::isfinite(x)) || xt::all(xt::equal(x, x(0)))) return {};
  const auto n = static_cast<double>(numbers.size());
  Vector d = x - xt::sum(x / n)();
  d -= xt::sum(d / n)();
  const double largest = xt::amax(xt::abs(d))();
  if (largest == 0 || !std::isfinite(largest)) return {};
  d /= largest;
  return d;
}

std::optional<double> mean_of(const std::vector<Metric>& values) {
  double sum = 0;
  for (const Metric& metric : values) {
    if (!metric.value) return {};
    sum += *metric.value;
  }
  return sum / static_cast<double>(values.size());
}

std::optional<double> finite_or_null(double value) {
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

std::vector<int> class_ids(const TaskInfo& task, std::span<const double> targets) {
  std::vector<int> ids;
  ids.reserve(targets.size());
  for (const double target : targets) {
    LL_CHECK(target >= 0 && target < static_cast<double>(task.num_labels) && target == std::floor(target),
             "{} is not a class id of task {}", target, task.name);
    ids.push_back(static_cast<int>(target));
  }
  return ids;
}

}  // namespace

std::optional<double> MetricResult::find(const std::string& name) const {
  for (const Metric& metric : values) {
    if (metric.name == name) return metric.value;
  }
  fail("there is no metric `{}`", name);
}

std::string MetricResult::warning(const TaskInfo& task) const {
  if (only_class < 0) return "";
  return fmt::format("every prediction is `{}`", task.labels[only_class]);
}

std::vector<int> argmax_rows(std::span<const double> outputs, int64_t classes) {
  LL_CHECK(classes >= 1 && outputs.size() % classes == 0, "{} outputs are no rows of {}", outputs.size(), classes);
  std::vector<int> best;
  best.reserve(outputs.size() / classes);
  for (size_t row = 0; row < outputs.size(); row += classes) {
    const auto logits = outputs.subspan(row, classes);
    for (const double logit : logits)
      LL_CHECK(!std::isnan(logit), "an output of example {} is NaN: is the checkpoint or adapter not finite?",
               best.size());
    best.push_back(static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  return best;
}

double accuracy(std::span<const int> predicted, std::span<const int> labels) {
  checked_size(predicted.size(), labels.size());
  return xt::mean(xt::equal(array_of(predicted), array_of(labels)))();
}

double f1(std::span<const int> predicted, std::span<const int> labels, int positive) {
  checked_size(predicted.size(), labels.size());
  const auto p = xt::equal(array_of(predicted), positive), t = xt::equal(array_of(labels), positive);
  const double both = xt::sum<double>(p && t)(), either = xt::sum<double>(p)() + xt::sum<double>(t)();
  return either == 0 ? 0 : 2 * both / either;  // TP; 2 TP + FP + FN
}

double matthews_correlation(std::span<const int> predicted, std::span<const int> labels) {
  const size_t rows = checked_size(predicted.size(), labels.size());
  const int largest =
      std::max(*std::max_element(predicted.begin(), predicted.end()), *std::max_element(labels.begin(), labels.end()));
  Vector t = xt::zeros<double>({largest + 1}), p = t;
  for (size_t i = 0; i < rows; ++i) {
    t(labels[i]) += 1;
    p(predicted[i]) += 1;
  }
  const auto n = static_cast<double>(rows),
             correct = xt::sum<double>(xt::equal(array_of(predicted), array_of(labels)))();
  // Counts and their products are whole numbers below 2^53 up to 90 million rows, so these are exact.
  const double tp = correct * n - xt::sum(t * p)(), pp = n * n - xt::sum(p * p)(), tt = n * n - xt::sum(t * t)();
  return pp == 0 || tt == 0 ? 0 : tp / (std::sqrt(pp) * std::sqrt(tt));
}

std::optional<double> pearson(std::span<const double> x, std::span<const double> y) {
  if (checked_size(x.size(), y.size()) < 2) return {};
  const Vector dx = deviations(x), dy = deviations(y);
  if (dx.size() == 0 || dy.size() == 0) return {};
  const double xx = xt::sum(dx * dx)(), yy = xt::sum(dy * dy)();
  return std::clamp(xt::sum(dx * dy)() / (std::sqrt(xx) * std::sqrt(yy)), -1.0, 1.0);
}

std::vector<double> average_ranks(std::span<const double> x) {
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] < x[b]; });
  std::vector<double> ranks(x.size());
  for (size_t begin = 0, end = 0; begin < x.size(); begin = end) {
    while (end < x.size() && x[order[end]] == x[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = 0.5 * static_cast<double>(begin + 1 + end);
  }
  return ranks;
}

std::optional<double> spearmanr(std::span<const double> x, std::span<const double> y) {
  checked_size(x.size(), y.size());
  if (xt::any(xt::isnan(array_of(x))) || xt::any(xt::isnan(array_of(y)))) return {};
  return pearson(average_ranks(x), average_ranks(y));
}

MetricResult compute_metrics(const TaskInfo& task, std::span<const double> outputs, std::span<const double> targets) {
  MetricResult result;
  result.n = checked_size(outputs.size() / task.num_labels, targets.size());
  std::vector<int> predicted, labels;
  if (!task.regression) {
    predicted = argmax_rows(outputs, task.num_labels);
    labels = class_ids(task, targets);
    const bool one = std::all_of(predicted.begin(), predicted.end(), [&](int p) { return p == predicted[0]; });
    if (one && predicted.size() > 1) result.only_class = predicted[0];
  }
  for (const std::string& name : task.metrics) {
    std::optional<double> value;
    if (name == "accuracy") value = accuracy(predicted, labels);
    if (name == "f1") value = f1(predicted, labels, task.positive_label);
    if (name == "matthews_correlation") value = matthews_correlation(predicted, labels);
    if (name == "pearson") value = pearson(outputs, targets);
    if (name == "spearmanr") value = spearmanr(outputs, targets);
    if (name == "combined_score") value = mean_of(result.values);
    if (name == "mse") value = finite_or_null(xt::mean(xt::square(array_of(outputs) - array_of(targets)))());
    result.values.push_back({name, value});
  }
  return result;
}

MetricResult compute_metrics(const TaskInfo& task, std::span<const double> outputs,
                             const std::vector<Example>& examples) {
  std::vector<double> targets;
  targets.reserve(examples.size());
  for (const Example& example : examples) {
    const bool labelled = task.regression ? !std::isnan(example.score) : example.label >= 0;
    LL_CHECK(labelled, "the example of line {} has no label, so nothing can be scored; use predict", example.line);
    targets.push_back(task.regression ? example.score : example.label);
  }
  return compute_metrics(task, outputs, targets);
}

}  // namespace lowland

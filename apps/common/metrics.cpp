#include "apps/common/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"

namespace lowland {
namespace {

size_t checked_size(size_t a, size_t b) {
  LL_CHECK(a == b, "{} predictions for {} labels", a, b);
  LL_CHECK(a > 0, "there is nothing to score");
  return a;
}

// Deviations from the mean, scaled to a largest magnitude of 1 so that squares neither overflow nor vanish.
// Empty if x is constant or not finite.
std::vector<double> deviations(std::span<const double> x) {
  const auto finite = [](double v) { return std::isfinite(v); };
  const auto equals_first = [&](double v) { return v == x[0]; };
  if (!std::all_of(x.begin(), x.end(), finite) || std::all_of(x.begin(), x.end(), equals_first)) return {};
  const auto n = static_cast<double>(x.size());
  double mean = 0, correction = 0;
  for (const double v : x) mean += v / n;
  for (const double v : x) correction += (v - mean) / n;
  std::vector<double> d(x.size());
  double largest = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    d[i] = (x[i] - mean) - correction;
    largest = std::max(largest, std::abs(d[i]));
  }
  if (largest == 0 || !std::isfinite(largest)) return {};
  for (double& v : d) v /= largest;
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

double mean_squared_error(std::span<const double> x, std::span<const double> y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return sum / static_cast<double>(x.size());
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
  return fmt::format("every prediction is `{}`", task.labels[static_cast<size_t>(only_class)]);
}

std::vector<int> argmax_rows(std::span<const double> outputs, int64_t classes) {
  LL_CHECK(classes >= 1 && outputs.size() % static_cast<size_t>(classes) == 0, "{} outputs are no rows of {}",
           outputs.size(), classes);
  std::vector<int> best;
  best.reserve(outputs.size() / static_cast<size_t>(classes));
  for (size_t row = 0; row < outputs.size(); row += static_cast<size_t>(classes)) {
    const auto logits = outputs.subspan(row, static_cast<size_t>(classes));
    for (const double logit : logits)
      LL_CHECK(!std::isnan(logit), "an output of example {} is NaN: is the checkpoint or adapter not finite?",
               best.size());
    best.push_back(static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  return best;
}

double accuracy(std::span<const int> predicted, std::span<const int> labels) {
  const size_t n = checked_size(predicted.size(), labels.size());
  size_t equal = 0;
  for (size_t i = 0; i < n; ++i) equal += predicted[i] == labels[i];
  return static_cast<double>(equal) / static_cast<double>(n);
}

double f1(std::span<const int> predicted, std::span<const int> labels, int positive) {
  const size_t n = checked_size(predicted.size(), labels.size());
  int64_t both = 0, either = 0;  // TP; 2 TP + FP + FN
  for (size_t i = 0; i < n; ++i) {
    both += predicted[i] == positive && labels[i] == positive;
    either += (predicted[i] == positive) + (labels[i] == positive);
  }
  return either == 0 ? 0 : 2.0 * static_cast<double>(both) / static_cast<double>(either);
}

double matthews_correlation(std::span<const int> predicted, std::span<const int> labels) {
  const size_t rows = checked_size(predicted.size(), labels.size());
  const int largest =
      std::max(*std::max_element(predicted.begin(), predicted.end()), *std::max_element(labels.begin(), labels.end()));
  std::vector<double> t(static_cast<size_t>(largest) + 1, 0), p = t;
  double correct = 0;
  for (size_t i = 0; i < rows; ++i) {
    t[static_cast<size_t>(labels[i])] += 1;
    p[static_cast<size_t>(predicted[i])] += 1;
    correct += predicted[i] == labels[i];
  }
  const auto n = static_cast<double>(rows);
  // Counts and their products are whole numbers below 2^53 up to 90 million rows, so these are exact.
  const double tp = correct * n - std::inner_product(t.begin(), t.end(), p.begin(), 0.0);
  const double pp = n * n - std::inner_product(p.begin(), p.end(), p.begin(), 0.0);
  const double tt = n * n - std::inner_product(t.begin(), t.end(), t.begin(), 0.0);
  return pp == 0 || tt == 0 ? 0 : tp / (std::sqrt(pp) * std::sqrt(tt));
}

std::optional<double> pearson(std::span<const double> x, std::span<const double> y) {
  if (checked_size(x.size(), y.size()) < 2) return {};
  const std::vector<double> dx = deviations(x), dy = deviations(y);
  if (dx.empty() || dy.empty()) return {};
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < dx.size(); ++i) {
    xy += dx[i] * dy[i];
    xx += dx[i] * dx[i];
    yy += dy[i] * dy[i];
  }
  return std::clamp(xy / (std::sqrt(xx) * std::sqrt(yy)), -1.0, 1.0);
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
  const auto is_nan = [](double v) { return std::isnan(v); };
  if (std::any_of(x.begin(), x.end(), is_nan) || std::any_of(y.begin(), y.end(), is_nan)) return {};
  return pearson(average_ranks(x), average_ranks(y));
}

MetricResult compute_metrics(const TaskInfo& task, std::span<const double> outputs, std::span<const double> targets) {
  MetricResult result;
  result.n = static_cast<int64_t>(checked_size(outputs.size() / static_cast<size_t>(task.num_labels), targets.size()));
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
    if (name == "mse") value = finite_or_null(mean_squared_error(outputs, targets));
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

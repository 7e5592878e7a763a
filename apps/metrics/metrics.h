// Metrics with the names and definitions of `evaluate`'s glue, equal to scikit-learn and scipy to 1e-12.
//   accuracy               share of equal labels
//   f1                     2 TP / (2 TP + FP + FN) of the task's positive class (GLUE: id 1); 0 for 0 / 0
//   matthews_correlation   (c n - sum_k t_k p_k) / sqrt((n^2 - sum p_k^2) (n^2 - sum t_k^2)) , any number
//                          of classes, c of n right, t_k and p_k counts; 0 if the denominator is 0
//   pearson                undefined (null, never NaN) if one side is constant, not finite, or n < 2
//   spearmanr              pearson of average ranks, undefined likewise
//   combined_score         mean of the two before it; null if one is
//   mse                    mean squared error
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/data/dataset.h"

namespace lowland {

struct Metric {
  std::string name;
  std::optional<double> value;  // nothing: undefined, written as null
};

struct MetricResult {
  std::vector<Metric> values;  // in the task's order
  int64_t n = 0;
  // The class all predictions fell on (-1: more than one, or a regression): worth a warning.
  int only_class = -1;
  std::optional<double> find(const std::string& name) const;
  // "every prediction is `positive`", or empty.
  std::string warning(const TaskInfo& task) const;
};

// outputs: (N, num_labels) row-major logits, or (N) scores of a regression. targets: N class ids or scores.
// Error: no rows, sizes that disagree, a class id outside the task, an unlabelled example, a NaN logit.
MetricResult compute_metrics(const TaskInfo& task, std::span<const double> outputs, std::span<const double> targets);
// Targets of a labelled split.
MetricResult compute_metrics(const TaskInfo& task, std::span<const double> outputs,
                             const std::vector<Example>& examples);

// First index of each row's largest value (N, C) -> (N).
std::vector<int> argmax_rows(std::span<const double> outputs, int64_t classes);

double accuracy(std::span<const int> predicted, std::span<const int> labels);
double f1(std::span<const int> predicted, std::span<const int> labels, int positive = 1);
double matthews_correlation(std::span<const int> predicted, std::span<const int> labels);
std::optional<double> pearson(std::span<const double> x, std::span<const double> y);
std::optional<double> spearmanr(std::span<const double> x, std::span<const double> y);
// Ranks from 1, ties share their mean.
std::vector<double> average_ranks(std::span<const double> x);

}  // namespace lowland

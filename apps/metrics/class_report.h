// How a classifier does class by class, equal to scikit-learn's precision_recall_fscore_support and confusion_matrix
// over all classes of the task, with 0 for 0 / 0.
//   precision  TP / (TP + FP)      recall  TP / (TP + FN)      f1  2 TP / (2 TP + FP + FN)
//   macro      mean over the classes, whether the examples hold them or not
//   weighted   mean weighted by support, the examples that are of the class
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

namespace lowland {

struct ClassScore {
  double precision = 0, recall = 0, f1 = 0;
  int64_t support = 0;
};

struct ClassReport {
  std::vector<ClassScore> classes;              // in id order
  std::vector<std::vector<int64_t>> confusion;  // rows: the examples' class; columns: the predicted one
  double macro_f1 = 0, weighted_f1 = 0;

  // As `evaluate` prints it, with `suffix` behind every name: eval_macro_f1, eval_weighted_f1, classes (label to
  // precision, recall, f1, support), confusion_matrix.
  nlohmann::ordered_json to_json(const std::vector<std::string>& names, const std::string& suffix) const;
};

// Ids below `classes`. Error: no examples, sizes that disagree, an id that is none.
ClassReport class_report(std::span<const int> predicted, std::span<const int> labels, int64_t classes);

}  // namespace lowland

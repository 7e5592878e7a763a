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

// The same where an example has any number of the labels, equal to scikit-learn's over indicator matrices:
//   micro_f1         2 TP / (2 TP + FP + FN) of the counts of all labels together
//   subset_accuracy  share of the examples whose labels are all right
struct MultiLabelReport {
  std::vector<ClassScore> classes;
  double micro_f1 = 0, macro_f1 = 0, weighted_f1 = 0, subset_accuracy = 0;
  // Without the three that are the task's metrics: eval_weighted_f1 and classes.
  nlohmann::ordered_json to_json(const std::vector<std::string>& names, const std::string& suffix) const;
};
// Ascending ids below `classes`, each example's. Error as below.
MultiLabelReport multi_label_report(const std::vector<std::vector<int>>& predicted,
                                    const std::vector<std::vector<int>>& labels, int64_t classes);

// Ids below `classes`. Error: no examples, sizes that disagree, an id that is none.
ClassReport class_report(std::span<const int> predicted, std::span<const int> labels, int64_t classes);

}  // namespace lowland

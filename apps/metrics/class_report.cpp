#include "apps/metrics/class_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace lowland {
namespace {

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

nlohmann::ordered_json by_class(const std::vector<std::string>& names, const std::vector<ClassScore>& classes) {
  LL_CHECK(names.size() == classes.size(), "{} names for {} classes", names.size(), classes.size());
  nlohmann::ordered_json o;
  for (size_t k = 0; k < names.size(); ++k)
    o[names[k]] = {{"precision", classes[k].precision},
                   {"recall", classes[k].recall},
                   {"f1", classes[k].f1},
                   {"support", classes[k].support}};
  return o;
}

}  // namespace

ClassReport class_report(std::span<const int> predicted, std::span<const int> labels, int64_t classes) {
  LL_CHECK(predicted.size() == labels.size(), "{} predictions for {} labels", predicted.size(), labels.size());
  LL_CHECK(!labels.empty(), "there is nothing to score");
  ClassReport report;
  report.confusion.assign(classes, std::vector<int64_t>(classes, 0));
  std::vector<int64_t> chosen(classes, 0), there(classes, 0);
  for (size_t i = 0; i < labels.size(); ++i) {
    for (const int id : {predicted[i], labels[i]})
      LL_CHECK(id >= 0 && id < classes, "{} is not one of {} classes", id, classes);
    ++report.confusion[labels[i]][predicted[i]];
    ++chosen[predicted[i]];
    ++there[labels[i]];
  }
  double sum = 0, weighted = 0;
  for (int64_t k = 0; k < classes; ++k) {
    const int64_t right = report.confusion[k][k];
    const ClassScore score{ratio(right, chosen[k]), ratio(right, there[k]), ratio(2 * right, chosen[k] + there[k]),
                           there[k]};
    report.classes.push_back(score);
    sum += score.f1;
    weighted += score.f1 * static_cast<double>(score.support);
  }
  report.macro_f1 = sum / static_cast<double>(classes);
  report.weighted_f1 = weighted / static_cast<double>(labels.size());
  return report;
}

MultiLabelReport multi_label_report(const std::vector<std::vector<int>>& predicted,
                                    const std::vector<std::vector<int>>& labels, int64_t classes) {
  LL_CHECK(predicted.size() == labels.size(), "{} predictions for {} labels", predicted.size(), labels.size());
  LL_CHECK(!labels.empty(), "there is nothing to score");
  MultiLabelReport report;
  std::vector<int64_t> chosen(classes, 0), there(classes, 0), right(classes, 0);
  int64_t whole = 0, all_chosen = 0, all_there = 0, all_right = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    for (const auto* ids : {&predicted[i], &labels[i]})
      for (const int id : *ids) {
        LL_CHECK(id >= 0 && id < classes, "{} is not one of {} classes", id, classes);
        ++(ids == &predicted[i] ? chosen : there)[id];
      }
    for (const int id : predicted[i]) right[id] += std::count(labels[i].begin(), labels[i].end(), id);
    whole += predicted[i] == labels[i] ? 1 : 0;
  }
  double sum = 0, weighted = 0;
  for (int64_t k = 0; k < classes; ++k) {
    report.classes.push_back(
        {ratio(right[k], chosen[k]), ratio(right[k], there[k]), ratio(2 * right[k], chosen[k] + there[k]), there[k]});
    sum += report.classes.back().f1;
    weighted += report.classes.back().f1 * static_cast<double>(there[k]);
    all_chosen += chosen[k];
    all_there += there[k];
    all_right += right[k];
  }
  report.micro_f1 = ratio(2 * all_right, all_chosen + all_there);
  report.macro_f1 = sum / static_cast<double>(classes);
  report.weighted_f1 = all_there == 0 ? 0 : weighted / static_cast<double>(all_there);
  report.subset_accuracy = ratio(whole, std::ssize(labels));
  return report;
}

nlohmann::ordered_json MultiLabelReport::to_json(const std::vector<std::string>& names,
                                                 const std::string& suffix) const {
  nlohmann::ordered_json o;
  o["eval_weighted_f1" + suffix] = weighted_f1;
  o["classes" + suffix] = by_class(names, classes);
  return o;
}

nlohmann::ordered_json ClassReport::to_json(const std::vector<std::string>& names, const std::string& suffix) const {
  nlohmann::ordered_json o;
  o["eval_macro_f1" + suffix] = macro_f1;
  o["eval_weighted_f1" + suffix] = weighted_f1;
  o["classes" + suffix] = by_class(names, classes);
  o["confusion_matrix" + suffix] = confusion;
  return o;
}

}  // namespace lowland

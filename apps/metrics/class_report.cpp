#include "apps/metrics/class_report.h"

#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace lowland {
namespace {

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
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

nlohmann::ordered_json ClassReport::to_json(const std::vector<std::string>& names, const std::string& suffix) const {
  LL_CHECK(names.size() == classes.size(), "{} names for {} classes", names.size(), classes.size());
  nlohmann::ordered_json o;
  o["eval_macro_f1" + suffix] = macro_f1;
  o["eval_weighted_f1" + suffix] = weighted_f1;
  nlohmann::ordered_json& by_class = o["classes" + suffix];
  for (size_t k = 0; k < names.size(); ++k)
    by_class[names[k]] = {{"precision", classes[k].precision},
                          {"recall", classes[k].recall},
                          {"f1", classes[k].f1},
                          {"support", classes[k].support}};
  o["confusion_matrix" + suffix] = confusion;
  return o;
}

}  // namespace lowland

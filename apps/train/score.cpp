#include "apps/train/score.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"

namespace lowland::apps {
namespace {

// eval_loss, not a number where it is not finite.
double loss_of(const Evaluation& e) {
  const auto loss = e.metrics.find("eval_loss");
  const bool known = loss != e.metrics.end() && loss->is_number() && std::isfinite(loss->get<double>());
  return known ? loss->get<double>() : std::numeric_limits<double>::quiet_NaN();
}

std::string bare_name(const std::string& metric) { return metric.starts_with("eval_") ? metric.substr(5) : metric; }

}  // namespace

void check_metric(const std::string& metric, const Objective& objective) {
  const std::vector<std::string> names = objective.score_names();
  LL_CHECK(metric.empty() || std::find(names.begin(), names.end(), bare_name(metric)) != names.end(),
           "--metric-for-best-model {} is not measured here: {}", metric, fmt::join(names, ", "));
}

void score_by(const std::string& metric, Evaluation& e) {
  if (metric.empty()) return;
  e.score_name = bare_name(metric);
  const nlohmann::ordered_json& value = e.metrics.at("eval_" + e.score_name);
  e.score = value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
  if (Evaluation::lower_is_better(e.score_name)) e.score = -e.score;
}

bool is_defined(const Evaluation& e) { return std::isfinite(e.score); }

bool is_better(const Evaluation& e, const Evaluation& than) {
  if (is_defined(e) != is_defined(than)) return is_defined(e);
  if (is_defined(e)) return e.score > than.score;
  return loss_of(e) < loss_of(than) || (std::isfinite(loss_of(e)) && !std::isfinite(loss_of(than)));
}

nlohmann::ordered_json chosen_by(const Evaluation& e) {
  const bool by_score = is_defined(e);  // not a number is null in a file
  return {{"name", by_score ? e.score_name : "loss"}, {"value", by_score ? e.score_value() : loss_of(e)}};
}

std::string score_text(const Evaluation& e) {
  return is_defined(e) ? fmt::format("{} {:.4f}", e.score_name, e.score_value()) : e.score_name + " undefined";
}

}  // namespace lowland::apps

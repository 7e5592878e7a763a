// Where the y axis of a chart is cut.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/report/svg_chart.h"

namespace lowland::apps {
namespace {

struct Range {
  double low = INFINITY, high = -INFINITY;
  void take(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  double width() const { return high - low; }
};

Range of_points(const std::vector<const Series*>& series, double from) {
  Range r;
  for (const Series* s : series)
    for (const auto& [x, y] : s->points)
      if (x >= from || &s->points.back().second == &y) r.take(y);
  return r;
}

// The series without one group that ends far from it: where the widest gap between their ends is twenty times what the
// larger side spans. Fewer than three have no sides.
std::vector<const Series*> together(std::vector<const Series*> series) {
  if (series.size() < 3) return series;
  const auto end = [](const Series* s) { return s->points.back().second; };
  std::sort(series.begin(), series.end(), [&](const Series* a, const Series* b) { return end(a) < end(b); });
  size_t at = 1;
  for (size_t i = 1; i < series.size(); ++i)
    if (end(series[i]) - end(series[i - 1]) > end(series[at]) - end(series[at - 1])) at = i;
  const double gap = end(series[at]) - end(series[at - 1]);
  const bool upper = series.size() - at > at;
  if (!upper && series.size() - at == at) return series;
  const std::vector<const Series*> kept(upper ? series.begin() + at : series.begin(),
                                        upper ? series.end() : series.begin() + at);
  return gap > 20 * (end(kept.back()) - end(kept.front())) ? kept : series;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  return text;
}

// "The axis is cut at 0.94: outside are the first steps, and random-weights, which ends at 0.51."
std::string sentence(const Range& shown, const Range& all, const std::vector<const Series*>& series) {
  std::vector<std::string> outside, ends;
  for (const Series* s : series)
    if (const double end = s->points.back().second; end < shown.low || end > shown.high)
      ends.push_back(fmt::format("{}, which ends at {:.4g}", s->name, end));
  if (ends.size() < series.size()) outside.emplace_back("early steps");
  outside.insert(outside.end(), ends.begin(), ends.end());
  std::vector<std::string> at;
  if (all.low < shown.low) at.push_back(fmt::format("{:.4g}", shown.low));
  if (all.high > shown.high) at.push_back(fmt::format("{:.4g}", shown.high));
  return fmt::format("The axis is cut at {}; outside: {}.", joined(at), joined(outside));
}

}  // namespace

Focus focus_of(const std::vector<Series>& given) {
  std::vector<const Series*> series;
  Range xs;
  for (const Series& s : given) {
    if (s.points.empty()) continue;
    series.push_back(&s);
    for (const auto& p : s.points) xs.take(p.first);
  }
  const auto widened = [](Range r, double share) {
    const double of_one_value = r.low == 0 ? 0.5 : 0.1 * std::abs(r.low);
    const double margin = r.width() > 0 ? share * r.width() : of_one_value;
    return Range{r.low - margin, r.high + margin};
  };
  const Range all = of_points(series, -INFINITY), whole = widened(all, 0.05);
  Focus focus{whole.low, whole.high, ""};
  if (series.size() < 2) return focus;
  const Range settled = of_points(together(series), xs.low + xs.width() / 3);
  if (settled.width() <= 0 || settled.width() > 0.4 * all.width()) return focus;
  Range shown = widened(settled, 0.15);
  // What is just outside is let in.
  if (shown.low - all.low < shown.width() / 2) shown.low = std::min(shown.low, all.low - 0.05 * shown.width());
  if (all.high - shown.high < shown.width() / 2) shown.high = std::max(shown.high, all.high + 0.05 * shown.width());
  return {shown.low, shown.high, sentence(shown, all, series)};
}

}  // namespace lowland::apps

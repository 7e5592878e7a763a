#include "apps/common/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace lowland::apps {
namespace {

constexpr double kWidth = 640, kHeight = 300, kLeft = 64, kRight = 16, kTop = 36, kBottom = 44;
const char* const kColours[] = {"#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a", "#787774"};

struct Range {
  double low = 0, high = 1;
  double at(double v) const { return (v - low) / (high - low); }
};

Range range_of(const std::vector<Series>& series, bool x) {
  double low = INFINITY, high = -INFINITY;
  for (const Series& s : series) {
    for (const auto& p : s.points) {
      low = std::min(low, x ? p.first : p.second);
      high = std::max(high, x ? p.first : p.second);
    }
  }
  if (low == high) return {low - 0.5, high + 0.5};
  const double margin = x ? 0.0 : 0.05 * (high - low);
  return {low - margin, high + margin};
}

// About five round numbers inside the range.
std::vector<double> ticks(const Range& r) {
  const double raw = (r.high - r.low) / 5, power = std::pow(10.0, std::floor(std::log10(raw)));
  const double step = power * (raw / power < 1.5 ? 1 : raw / power < 3.5 ? 2 : raw / power < 7.5 ? 5 : 10);
  std::vector<double> out;
  for (double t = std::ceil(r.low / step) * step; t <= r.high + 1e-9 * step; t += step)
    out.push_back(std::abs(t) < 1e-9 * step ? 0.0 : t);
  return out;
}

std::string axes(const Range& xs, const Range& ys, const std::string& x_label) {
  std::string svg;
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  for (const double t : ticks(ys)) {
    const double y = bottom - ys.at(t) * (bottom - kTop);
    svg += fmt::format("<line x1='{}' x2='{}' y1='{:.1f}' y2='{:.1f}' class='grid'/>", kLeft, right, y, y);
    svg += fmt::format("<text x='{}' y='{:.1f}' class='tick' text-anchor='end'>{:.4g}</text>", kLeft - 6, y + 4, t);
  }
  for (const double t : ticks(xs)) {
    const double x = kLeft + xs.at(t) * (right - kLeft);
    svg += fmt::format("<text x='{:.1f}' y='{}' class='tick' text-anchor='middle'>{:.6g}</text>", x, bottom + 16, t);
  }
  svg += fmt::format("<text x='{}' y='{}' class='tick' text-anchor='middle'>{}</text>", (kLeft + right) / 2,
                     kHeight - 8, escape_html(x_label));
  return svg;
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string svg_chart(const std::string& title, const std::string& x_label, const std::vector<Series>& given) {
  std::vector<Series> series;
  for (const Series& s : given) {
    Series kept{s.name, {}};
    for (const auto& p : s.points)
      if (std::isfinite(p.first) && std::isfinite(p.second)) kept.points.push_back(p);
    if (!kept.points.empty()) series.push_back(std::move(kept));
  }
  if (series.empty()) return "";
  const Range xs = range_of(series, true), ys = range_of(series, false);
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  std::string svg = fmt::format("<svg viewBox='0 0 {} {}' role='img' aria-label='{}'>", kWidth, kHeight,
                                escape_html(title));
  svg += fmt::format("<text x='{}' y='18' class='title'>{}</text>", kLeft, escape_html(title));
  svg += axes(xs, ys, x_label);
  double legend = kLeft;
  for (size_t i = 0; i < series.size(); ++i) {
    const char* colour = kColours[i % std::size(kColours)];
    std::string points;
    for (const auto& [x, y] : series[i].points)
      points += fmt::format("{:.1f},{:.1f} ", kLeft + xs.at(x) * (right - kLeft), bottom - ys.at(y) * (bottom - kTop));
    svg += fmt::format("<polyline fill='none' stroke='{}' stroke-width='2' points='{}'/>", colour, points);
    if (series[i].points.size() == 1) {
      const auto& [x, y] = series[i].points.front();
      svg += fmt::format("<circle r='3' fill='{}' cx='{:.1f}' cy='{:.1f}'/>", colour,
                         kLeft + xs.at(x) * (right - kLeft), bottom - ys.at(y) * (bottom - kTop));
    }
    svg += fmt::format("<text x='{:.0f}' y='32' class='tick' style='fill:{}'>{}</text>", legend, colour,
                       escape_html(series[i].name));
    legend += 14 + 7.0 * static_cast<double>(series[i].name.size());
  }
  return svg + "</svg>";
}

}  // namespace lowland::apps

#include "apps/report/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace lowland::apps {
namespace {

constexpr double kWidth = 380, kHeight = 250, kLeft = 52, kRight = 12, kTop = 32, kBottom = 40, kLegendLine = 17;
constexpr double kLetter = 6.6;  // the mean width of a tick's letter
const char* const kColours[] = {"#0b7fab", "#d9730d", "#3f8f5f", "#9065b0", "#c14c8a", "#8a8783", "#b58900", "#5b70d6"};

struct AxisRange {
  double low = 0, high = 1;
  double at(double v) const { return (v - low) / (high - low); }
};

AxisRange x_range(const std::vector<Series>& series) {
  AxisRange r{0, -INFINITY};
  for (const Series& s : series)
    for (const auto& p : s.points) r = {std::min(r.low, p.first), std::max(r.high, p.first)};
  return r.low == r.high ? AxisRange{r.low - 0.5, r.high + 0.5} : r;
}

// What lies between two ticks, so that there are about five.
double step_of(const AxisRange& r) {
  const double raw = (r.high - r.low) / 5, power = std::pow(10.0, std::floor(std::log10(raw)));
  return power * (raw / power < 1.5 ? 1 : raw / power < 3.5 ? 2 : raw / power < 7.5 ? 5 : 10);
}

// Round numbers inside the range.
std::vector<double> ticks(const AxisRange& r) {
  const double step = step_of(r);
  std::vector<double> out;
  for (double t = std::ceil(r.low / step) * step; t <= r.high + 1e-9 * step; t += step)
    out.push_back(std::abs(t) < 1e-9 * step ? 0.0 : t);
  return out;
}

// How the numbers of an axis are written, all alike: so many decimals of (v - base) / 10^exponent.
struct Form {
  double base = 0;  // where numbers differ in their sixth digit or later
  int exponent = 0, decimals = 0;
  std::string of(double v) const { return fmt::format("{:.{}f}", (v - base) / std::pow(10.0, exponent), decimals); }
};

int power_of(double v) { return static_cast<int>(std::floor(std::log10(v) + 1e-9)); }

Form form_of(const AxisRange& r) {
  Form form;
  const double step = step_of(r);
  double most = std::max(std::abs(r.low), std::abs(r.high));
  if (power_of(most) - power_of(step) > 4) {
    const double unit = std::pow(10.0, power_of(r.high - r.low) + 1);
    form.base = std::floor(r.low / unit) * unit;
    most = r.high - form.base;
  }
  if (const int power = power_of(most); power < -2 || power > 4) form.exponent = power;
  form.decimals = std::clamp(form.exponent - power_of(step), 0, 5);
  return form;
}

// Data to pixels; `top` lies below title and legend.
struct Frame {
  AxisRange xs, ys;
  double top;
  double x(double v) const { return kLeft + xs.at(v) * (kWidth - kRight - kLeft); }
  double y(double v) const { return kHeight - kBottom - ys.at(v) * (kHeight - kBottom - top); }
};

std::string axes(const Frame& frame, const std::string& x_label) {
  std::string svg;
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  const Form form = form_of(frame.ys);
  const std::string power = form.exponent == 0 ? "" : fmt::format("1e{}", form.exponent);
  if (form.base != 0)
    svg += fmt::format("<text x='2' y='{}' class='tick'>{}{}{:.10g}</text>", kHeight - 8, power,
                       form.base < 0 ? " - " : " + ", std::abs(form.base));
  else if (!power.empty())
    svg += fmt::format("<text x='{}' y='{:.1f}' class='tick' text-anchor='end'>{}</text>", kLeft - 6, frame.top - 8,
                       power);
  for (const double t : ticks(frame.ys)) {
    const double y = frame.y(t);
    svg += fmt::format("<line x1='{}' x2='{}' y1='{:.1f}' y2='{:.1f}' class='grid'/>", kLeft, right, y, y);
    svg +=
        fmt::format("<text x='{}' y='{:.1f}' class='tick' text-anchor='end'>{}</text>", kLeft - 6, y + 4, form.of(t));
  }
  for (const double t : ticks(frame.xs)) {
    const double x = frame.x(t);
    svg += fmt::format("<text x='{:.1f}' y='{}' class='tick' text-anchor='middle'>{:.6g}</text>", x, bottom + 16, t);
  }
  svg += fmt::format("<text x='{}' y='{}' class='tick' text-anchor='middle'>{}</text>", (kLeft + right) / 2,
                     kHeight - 8, escape_html(x_label));
  return svg;
}

// Two strokes through the axis, where it does not show all.
std::string cut_mark(const Frame& frame) {
  return fmt::format("<path class='cut' d='M{0} {1:.0f}l12 -5M{0} {2:.0f}l12 -5'/>", kLeft - 6, frame.y(frame.ys.low),
                     frame.y(frame.ys.low) - 5);
}

std::string curve(const Frame& frame, const Series& series) {
  constexpr size_t kMostDots = 60;
  const char* colour = series_colour(series.colour);
  std::string points, xs, ys, dots;
  for (const auto& [x, y] : series.points) {
    const char* blank = points.empty() ? "" : " ";
    points += fmt::format("{}{:.1f},{:.1f}", blank, frame.x(x), frame.y(y));
    xs += fmt::format("{}{:.6g}", blank, x);
    ys += fmt::format("{}{:.5g}", blank, y);
    dots += fmt::format(
        "<circle r='2.2' fill='{}' cx='{:.1f}' cy='{:.1f}'>"
        "<title>{}: {:.5g} at {:.6g}</title></circle>",
        colour, frame.x(x), frame.y(y), escape_html(series.name), y, x);
  }
  if (series.points.size() > kMostDots) dots.clear();
  return fmt::format(
             "<polyline fill='none' stroke='{}' stroke-width='{}' stroke-linejoin='round'{} points='{}' "
             "data-name='{}' data-x='{}' data-y='{}'/>",
             colour, series.dashed ? 1.4 : 2, series.dashed ? " stroke-dasharray='4 3'" : "", points,
             escape_html(series.name), xs, ys) +
         dots;
}

// Names in their colours from the left, on as many lines as it takes; `bottom`: the last one's.
std::string legend(const std::vector<Series>& series, double& bottom) {
  std::string svg;
  double x = kLeft;
  bottom = 18;
  if (series.size() < 2) return svg;
  bottom += kLegendLine;
  for (const Series& s : series) {
    if (s.dashed) continue;
    const double width = 28 + kLetter * static_cast<double>(s.name.size());
    if (x > kLeft && x + width > kWidth) {
      x = kLeft;
      bottom += kLegendLine;
    }
    svg += fmt::format("<rect x='{:.0f}' y='{:.0f}' width='10' height='10' rx='2' fill='{}'/>", x, bottom - 9,
                       series_colour(s.colour));
    svg += fmt::format("<text x='{:.0f}' y='{:.0f}' class='tick'>{}</text>", x + 14, bottom, escape_html(s.name));
    x += width;
  }
  return svg;
}

}  // namespace

const char* series_colour(size_t i) { return kColours[i % std::size(kColours)]; }

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

namespace {

// Those with a point, and of these the finite ones.
std::vector<Series> drawable(const std::vector<Series>& given) {
  std::vector<Series> series;
  for (const Series& s : given) {
    Series kept{s.name, {}, s.colour, s.dashed};
    for (const auto& p : s.points)
      if (std::isfinite(p.first) && std::isfinite(p.second)) kept.points.push_back(p);
    if (!kept.points.empty()) series.push_back(std::move(kept));
  }
  return series;
}

AxisRange padded(double low, double high) {
  const double pad = low < high ? 0.05 * (high - low) : 0.5 * std::max(std::abs(low), 1e-6);
  return {low - pad, high + pad};
}

std::string dots(const Frame& frame, const Series& series) {
  std::string svg;
  for (const auto& [x, y] : series.points)
    svg += fmt::format(
        "<circle r='3' fill='{}' fill-opacity='.7' cx='{:.1f}' cy='{:.1f}'><title>{}: {:.5g} at "
        "{:.4g}</title></circle>",
        series_colour(series.colour), frame.x(x), frame.y(y), escape_html(series.name), y, x);
  return svg;
}

}  // namespace

std::string svg_scatter(const std::string& title, const std::string& x_label, const std::vector<Series>& given,
                        const std::string& note) {
  const std::vector<Series> series = drawable(given);
  if (series.empty()) return "";
  AxisRange xs{INFINITY, -INFINITY}, ys = xs;
  for (const Series& s : series)
    for (const auto& [x, y] : s.points) {
      xs = {std::min(xs.low, x), std::max(xs.high, x)};
      ys = {std::min(ys.low, y), std::max(ys.high, y)};
    }
  double legend_bottom = 0;
  const std::string names = legend(series, legend_bottom);
  const Frame frame{padded(xs.low, xs.high), padded(ys.low, ys.high), legend_bottom + kTop - 18};
  std::string svg =
      fmt::format("<svg viewBox='0 0 {} {}' role='img' aria-label='{}'>", kWidth, kHeight, escape_html(title));
  svg += fmt::format("<text x='{}' y='18' class='title'>{}</text>", kLeft, escape_html(title));
  svg += names + axes(frame, x_label);
  for (const Series& s : series) svg += dots(frame, s);
  svg += "</svg>";
  if (!note.empty()) svg += "<figcaption>" + escape_html(note) + "</figcaption>";
  return "<figure>" + svg + "</figure>";
}

std::string svg_chart(const std::string& title, const std::string& x_label, const std::vector<Series>& given,
                      const std::string& note) {
  const std::vector<Series> series = drawable(given);
  if (series.empty()) return "";
  double legend_bottom = 0;
  const std::string names = legend(series, legend_bottom);
  const Focus focus = focus_of(series);
  const Frame frame{x_range(series), {focus.low, focus.high}, legend_bottom + kTop - 18};
  std::string svg = fmt::format("<svg class='chart' viewBox='0 0 {} {}' role='img' aria-label='{}' data-x='{}'>",
                                kWidth, kHeight, escape_html(title), escape_html(x_label));
  svg += fmt::format("<text x='{}' y='18' class='title'>{}</text>", kLeft, escape_html(title));
  svg += names + axes(frame, x_label);
  const double width = kWidth - kRight - kLeft + 6,
               height = kHeight - kBottom - frame.top + 6;  // dots at the edge whole
  svg += fmt::format("<svg x='{0}' y='{1}' width='{2}' height='{3}' viewBox='{0} {1} {2} {3}'>", kLeft - 3,
                     frame.top - 3, width, height);
  svg += fmt::format("<line class='rule' y1='{}' y2='{}'/>", frame.top, kHeight - kBottom);
  for (const Series& s : series) svg += curve(frame, s);
  svg += focus.cut.empty() ? "</svg></svg>" : "</svg>" + cut_mark(frame) + "</svg>";
  const std::string caption = note + (note.empty() || focus.cut.empty() ? "" : " ") + focus.cut;
  if (!caption.empty()) svg += "<figcaption>" + escape_html(caption) + "</figcaption>";
  return "<figure>" + svg + "</figure>";
}

}  // namespace lowland::apps

#include "apps/report/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "apps/report/svg_chart.h"

namespace lowland::apps {
namespace {

constexpr double kMapSide = 250, kMapLeft = 44, kMapTop = 32, kMapBar = 14, kMapWidth = 380, kMapHeight = 306;

// Dark blue through green to yellow, of even steps in lightness, so that it reads in grey as well.
std::string colour(double share) {
  constexpr std::array<std::array<double, 3>, 5> stops{
      {{68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}}};
  const double place = std::clamp(share, 0.0, 1.0) * (stops.size() - 1);
  const auto below = std::min(static_cast<size_t>(place), stops.size() - 2);
  const double past = place - static_cast<double>(below);
  std::array<int, 3> c{};
  for (size_t i = 0; i < 3; ++i)
    c[i] = static_cast<int>(std::lround(stops[below][i] + past * (stops[below + 1][i] - stops[below][i])));
  return fmt::format("#{:02x}{:02x}{:02x}", c[0], c[1], c[2]);
}

std::string text(double x, double y, const char* anchor, const std::string& what) {
  return fmt::format("<text x='{:.0f}' y='{:.0f}' class='tick' text-anchor='{}'>{}</text>", x, y, anchor, what);
}

std::string scale_bar(double low, double high) {
  constexpr int kSteps = 60;
  std::string svg;
  const double x = kMapLeft + kMapSide + 14, step = kMapSide / kSteps;
  for (int i = 0; i < kSteps; ++i)
    svg += fmt::format("<rect x='{}' y='{:.1f}' width='{}' height='{:.1f}' fill='{}'/>", x, kMapTop + step * i, kMapBar,
                       step + 0.5, colour(1 - (i + 0.5) / kSteps));
  // Digits enough to tell the ends apart.
  int digits = 4;
  const auto number = [&](double v) { return fmt::format("{:.{}g}", v, digits); };
  while (digits < 9 && low < high && number(low) == number(high)) ++digits;
  return svg + text(x + kMapBar + 6, kMapTop + 10, "start", number(high)) +
         text(x + kMapBar + 6, kMapTop + kMapSide, "start", number(low));
}

}  // namespace

std::string heat_map(const std::string& title, const std::vector<double>& at, const std::vector<double>& values) {
  double low = INFINITY, high = -INFINITY;
  for (const double v : values) {
    if (!std::isfinite(v)) continue;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  if (!std::isfinite(low)) return "";
  std::string svg = fmt::format("<figure><svg viewBox='0 0 {} {}' role='img' aria-label='{}'>", kMapWidth, kMapHeight,
                                escape_html(title));
  svg += fmt::format("<text x='{}' y='18' class='title'>{}</text>", kMapLeft, escape_html(title));
  const size_t n = at.size();
  const double cell = kMapSide / static_cast<double>(n);
  for (size_t row = 0; row < n; ++row)
    for (size_t column = 0; column < n; ++column) {
      const double v = values[row * n + column];
      const std::string fill = std::isfinite(v) ? colour(high > low ? (v - low) / (high - low) : 0.0) : "#fff";
      svg += fmt::format(
          "<rect x='{:.1f}' y='{:.1f}' width='{:.1f}' height='{:.1f}' fill='{}'>"
          "<title>{:.5g} at ({:.3g}, {:.3g})</title></rect>",
          kMapLeft + cell * static_cast<double>(column), kMapTop + kMapSide - cell * static_cast<double>(row + 1),
          cell + 0.5, cell + 0.5, fill, v, at[column], at[row]);
    }
  for (const size_t i : {size_t{0}, n / 2, n - 1}) {
    const double middle = cell * (static_cast<double>(i) + 0.5);
    svg += text(kMapLeft + middle, kMapTop + kMapSide + 16, "middle", fmt::format("{:.3g}", at[i]));
    svg += text(kMapLeft - 6, kMapTop + kMapSide - middle + 4, "end", fmt::format("{:.3g}", at[i]));
  }
  return svg + scale_bar(low, high) + "</svg></figure>";
}

}  // namespace lowland::apps

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

namespace {

// A ring with its name, in white with a dark edge, which shows on every colour.
std::string drawn_mark(const Mark& mark, const std::vector<double>& at, double cell) {
  const auto place = [&](double v) {  // from the lowest cell's middle
    return cell * ((v - at.front()) / (at.back() - at.front()) * static_cast<double>(at.size() - 1) + 0.5);
  };
  const double x = kMapLeft + place(mark.x), y = kMapTop + kMapSide - place(mark.y);
  return fmt::format(
      "<circle cx='{0:.1f}' cy='{1:.1f}' r='4' fill='none' stroke='#000' stroke-width='4'/>"
      "<circle cx='{0:.1f}' cy='{1:.1f}' r='4' fill='none' stroke='#fff' stroke-width='2'/>"
      "<text x='{2:.1f}' y='{3:.1f}' font-size='12' fill='#fff' stroke='#000' stroke-width='3' paint-order='stroke'>{4}"
      "</text>",
      x, y, x + 8, y - 6, escape_html(mark.name));
}

// Names without the parts between dots that all of them have in front or behind.
std::vector<std::string> short_names(std::vector<std::string> names) {
  const auto cut_all = [&](const auto& cut) {
    for (;;) {
      std::string part = cut(names.front());
      for (const std::string& n : names)
        if (part.empty() || cut(n) != part) return;
      for (std::string& n : names)
        n = n.starts_with(part) && part.back() == '.' ? n.substr(part.size()) : n.substr(0, n.size() - part.size());
    }
  };
  if (names.size() < 2) return names;
  cut_all([](const std::string& n) {
    return n.find('.') == std::string::npos ? std::string() : n.substr(0, n.find('.') + 1);
  });
  cut_all(
      [](const std::string& n) { return n.rfind('.') == std::string::npos ? std::string() : n.substr(n.rfind('.')); });
  return names;
}

}  // namespace

std::string grid_map(const std::string& title, const std::vector<std::string>& rows,
                     const std::vector<std::string>& columns, const std::vector<double>& values) {
  double low = INFINITY, high = -INFINITY;
  for (const double v : values)
    if (std::isfinite(v)) {
      low = std::min(low, v);
      high = std::max(high, v);
    }
  if (!std::isfinite(low)) return "";
  constexpr double kNames = 150, kRight = 8;
  const double height = std::clamp(420.0 / static_cast<double>(rows.size()), 6.0, 16.0);
  const double width = (kMapWidth - kNames - kRight) / static_cast<double>(columns.size());
  const double bottom = kMapTop + height * static_cast<double>(rows.size());
  std::string svg = fmt::format("<figure><svg viewBox='0 0 {} {:.0f}' role='img' aria-label='{}'>", kMapWidth,
                                bottom + 24, escape_html(title));
  svg += fmt::format("<text x='8' y='18' class='title'>{}</text>", escape_html(title));
  const std::vector<std::string> names = short_names(rows);
  const size_t every = height < 11 ? static_cast<size_t>(std::ceil(11 / height)) : 1;  // names that have room
  for (size_t r = 0; r < rows.size(); ++r) {
    const double y = kMapTop + height * static_cast<double>(r);
    if (r % every == 0) svg += text(kNames - 6, y + height / 2 + 4, "end", escape_html(names[r]));
    for (size_t c = 0; c < columns.size(); ++c) {
      const double v = values[r * columns.size() + c];
      if (!std::isfinite(v)) continue;
      svg += fmt::format(
          "<rect x='{:.1f}' y='{:.1f}' width='{:.1f}' height='{:.1f}' fill='{}'><title>{}, {}: {:.4g}</title></rect>",
          kNames + width * static_cast<double>(c), y, width + 0.4, height + 0.4,
          colour(high > low ? (v - low) / (high - low) : 0.0), escape_html(rows[r]), escape_html(columns[c]), v);
    }
  }
  svg += text(kNames, bottom + 16, "start", escape_html(columns.front()));
  if (columns.size() > 1) svg += text(kMapWidth - kRight, bottom + 16, "end", escape_html(columns.back()));
  return svg + fmt::format("</svg><figcaption>Dark: {:.4g}; light: {:.4g}.</figcaption></figure>", low, high);
}

std::string heat_map(const std::string& title, const std::vector<double>& at, const std::vector<double>& values,
                     const std::vector<Mark>& marks) {
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
  for (const Mark& mark : marks) svg += drawn_mark(mark, at, cell);
  return svg + scale_bar(low, high) + "</svg></figure>";
}

}  // namespace lowland::apps

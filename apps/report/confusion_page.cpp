#include "apps/report/confusion_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "apps/report/svg_chart.h"

namespace lowland::apps {
namespace {

using nlohmann::ordered_json;

constexpr const char* kPageStyle =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;padding:0 1em;max-width:60em;color:#222;background:#fff}"
    "svg{width:100%;max-width:40em;height:auto;font:13px system-ui,sans-serif}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ccc}"
    "td:first-child,th:first-child{text-align:left}.scroll{overflow-x:auto}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}svg text.out{fill:#ddd}"
    "td,th{border-color:#444}}";

// A name with at most so many characters.
std::string cut(const std::string& name, size_t most) {
  size_t at = 0;
  for (size_t n = 0; at < name.size(); ++n) {
    if (n == most) return name.substr(0, at) + "…";
    do ++at;
    while (at < name.size() && (static_cast<unsigned char>(name[at]) & 0xC0U) == 0x80U);
  }
  return name;
}

std::string label(double x, double y, const std::string& attributes, const std::string& text) {
  return fmt::format("<text class='out' fill='#222' x='{:.1f}' y='{:.1f}' {}>{}</text>", x, y, attributes,
                     escape_html(text));
}

// The darker, the larger the share of its row; the number stands in it where there is room.
std::string cell(double x, double y, double side, int64_t count, int64_t in_row, const std::string& tip) {
  const double share = in_row == 0 ? 0 : static_cast<double>(count) / static_cast<double>(in_row);
  const auto mix = [&](int dark) { return static_cast<int>(std::lround(245 + share * (dark - 245))); };
  std::string svg = fmt::format(
      "<rect x='{:.1f}' y='{:.1f}' width='{:.1f}' height='{:.1f}' fill='rgb({},{},{})'>"
      "<title>{}</title></rect>",
      x, y, side - 1, side - 1, mix(8), mix(64), mix(129), escape_html(tip));
  if (side >= 30)
    svg +=
        fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='middle' fill='{}' style='pointer-events:none'>{}</text>",
                    x + side / 2, y + side / 2 + 5, share > 0.5 ? "#fff" : "#222", count);
  return svg;
}

std::string picture(const std::string& title, const std::vector<std::string>& names, const ordered_json& matrix) {
  const auto n = static_cast<double>(names.size());
  const double side = std::clamp(420 / n, 12.0, 90.0), left = 150, top = 60, width = left + n * side + 20;
  const double height = top + n * side + 120;
  std::string svg = fmt::format("<svg viewBox='0 0 {:.0f} {:.0f}' role='img' aria-label='{}'>", std::max(width, 420.0),
                                height, escape_html(title));
  svg += label(left, 20, "font-weight='bold'", title);
  svg += label(left, 44, "", "rows: true label; columns: predicted");
  for (size_t row = 0; row < names.size(); ++row) {
    const double y = top + side * static_cast<double>(row);
    svg += label(left - 8, y + side / 2 + 4, "text-anchor='end'", cut(names[row], 18));
    int64_t in_row = 0;
    for (const auto& count : matrix[row]) in_row += count.get<int64_t>();
    for (size_t column = 0; column < names.size(); ++column) {
      const auto count = matrix[row][column].get<int64_t>();
      svg += cell(left + side * static_cast<double>(column), y, side, count, in_row,
                  fmt::format("{} of {} {} are predicted {}", count, in_row, names[row], names[column]));
    }
    const double x = left + side * (static_cast<double>(row) + 0.5), below = top + n * side + 14;
    svg += label(x, below, fmt::format("text-anchor='end' transform='rotate(-40 {:.1f} {:.1f})'", x, below),
                 cut(names[row], 14));
  }
  return svg + "</svg>";
}

std::string table(const ordered_json& classes) {
  std::string html =
      "<div class='scroll'><table><tr><th>class</th><th>precision</th><th>recall</th><th>F1</th>"
      "<th>examples</th></tr>";
  for (const auto& [name, c] : classes.items())
    html += fmt::format("<tr><td>{}</td><td>{:.4f}</td><td>{:.4f}</td><td>{:.4f}</td><td>{}</td></tr>",
                        escape_html(name), c.at("precision").get<double>(), c.at("recall").get<double>(),
                        c.at("f1").get<double>(), c.at("support").get<int64_t>());
  return html + "</table></div>";
}

}  // namespace

std::string confusion_page(const std::string& title, const ordered_json& evaluated) {
  if (!evaluated.contains("confusion_matrix")) return "";
  std::string body;
  for (const std::string suffix : {"", "_mm"}) {
    if (!evaluated.contains("confusion_matrix" + suffix)) continue;
    const ordered_json& classes = evaluated.at("classes" + suffix);
    std::vector<std::string> names;
    for (const auto& [name, ignored] : classes.items()) names.push_back(name);
    body += picture(suffix.empty() ? "Confusion matrix" : "Confusion matrix, mismatched", names,
                    evaluated.at("confusion_matrix" + suffix));
    for (const auto& [key, name] :
         {std::pair{"eval_accuracy", "accuracy"}, {"eval_macro_f1", "macro F1"}, {"eval_weighted_f1", "weighted F1"}})
      if (evaluated.contains(key + suffix))
        body += fmt::format("<p>{} {:.4f}</p>", name, evaluated.at(key + suffix).get<double>());
    body += table(classes);
  }
  const std::string name = escape_html(title);
  return fmt::format(
      "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
      "<meta name='viewport' content='width=device-width,initial-scale=1'><title>{}</title><style>{}</style></head>"
      "<body><h1>{}</h1>{}</body></html>\n",
      name, kPageStyle, name, body);
}

}  // namespace lowland::apps

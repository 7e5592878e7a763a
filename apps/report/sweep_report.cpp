#include "apps/report/sweep_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "apps/common/progress.h"
#include "apps/common/row_writer.h"
#include "apps/common/text_table.h"
#include "apps/report/heat_map.h"
#include "apps/report/page.h"
#include "apps/report/svg_chart.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace lowland::apps {
namespace {

using nlohmann::ordered_json;

double number_of(const ordered_json& line, const char* key) {
  return line.contains(key) && line.at(key).is_number() ? line.at(key).get<double>() : std::nan("");
}

// Every run of a task, whatever its setting: a point where both are known.
std::string sharpness_chart(const SweepTable& table, const ResultLines& lines, const std::string& task) {
  std::vector<Series> series;
  std::string name = "score";
  for (size_t m = 0; m < table.methods.size(); ++m) {
    Series& s = series.emplace_back(Series{table.methods[m], {}, m});
    for (const ordered_json& line : lines) {
      if (result_task(line) != task || line.value("method", "") != table.methods[m]) continue;
      name = line.value("score_name", name);
      s.points.emplace_back(number_of(line, "sharpness"), number_of(line, table.split.c_str()));
    }
  }
  return svg_scatter(fmt::format("{}: {} ({})", task, name, table.split), "sharpness", series);
}

// Means over the runs of each method: a row for each adapter, a column for each method.
std::string layer_map(const SweepTable& table, const ResultLines& lines, const std::string& task, const char* key) {
  std::vector<std::string> modules;
  std::map<std::pair<std::string, std::string>, std::vector<double>> values;  // by module and method
  for (const ordered_json& line : lines) {
    if (result_task(line) != task || !line.contains("adapters")) continue;
    for (const ordered_json& adapter : line.at("adapters")) {
      const std::string module = adapter.at("module");
      if (std::find(modules.begin(), modules.end(), module) == modules.end()) modules.push_back(module);
      if (const double v = number_of(adapter, key); std::isfinite(v))
        values[{module, line.value("method", "")}].push_back(v);
    }
  }
  if (modules.empty()) return "";
  std::vector<double> means;
  for (const std::string& module : modules)
    for (const std::string& method : table.methods) {
      const std::vector<double>& v = values[{module, method}];
      means.push_back(v.empty() ? std::nan("") : summary_of(v).mean);
    }
  return grid_map(fmt::format("{}: {} by layer and method", task, key), modules, table.methods, means);
}

std::string settings_table(const SweepTable& table, const ResultLines& lines) {
  const auto rows = setting_rows(table, lines);
  return rows.size() < 2 ? ""
                         : "<details><summary>Every setting, on the dev split</summary>" + html_table(rows, false, "") +
                               "</details>";
}

// The tables of the page, to be pasted into a text.
std::string sweep_markdown(const SweepTable& table, const ResultLines& lines) {
  std::string text = markdown_table(overall_rows(table)) + "\n" + markdown_table(task_rows(table));
  for (const auto& rows : {quantised_rows(table, lines), elsewhere_rows(table, lines), setting_rows(table, lines)})
    if (rows.size() > 1) text += "\n" + markdown_table(rows);
  text += "\n";
  for (const std::string& note : table_notes(table)) text += note + "\n";
  return text;
}

// A file for each picture of the page.
void write_pictures(const std::filesystem::path& folder, const SweepTable& table, const ResultLines& lines) {
  std::filesystem::create_directories(folder);
  for (size_t i = 0; i < table.tasks.size(); ++i)
    if (const std::string svg = svg_file(sharpness_chart(table, lines, table.tasks[i])); !svg.empty())
      write_file_atomically((folder / fmt::format("sharpness-{}.svg", i + 1)).string(), svg);
}

}  // namespace

std::string sweep_html(const std::string& title, const SweepTable& table, const ResultLines& lines) {
  std::string html;
  double seconds = 0;
  for (const ordered_json& line : lines) seconds += line.value("seconds", 0.0);
  html += fmt::format("<p class='note'>{}, {} of computing.</p>", counted(std::ssize(lines), "run"),
                      duration_text(seconds));
  html += "<h2>Over all tasks</h2>" + html_table(overall_rows(table), true, "");
  for (const std::string& note : table_notes(table)) html += fmt::format("<p class='note'>{}</p>", escape_html(note));
  html += "<h2>By task</h2>" + html_table(task_rows(table), false, "");
  if (const auto rows = quantised_rows(table, lines); rows.size() > 1)
    html += "<h2>What merging and quantising changes</h2>" + html_table(rows, false, "");
  if (const auto rows = elsewhere_rows(table, lines); rows.size() > 1)
    html += "<h2>What happens to other data</h2>" + html_table(rows, false, "");
  html += settings_table(table, lines);
  html += "<h2>Sharpness and score of all runs</h2><div class='charts'>";
  for (const std::string& task : table.tasks) html += sharpness_chart(table, lines, task);
  for (const std::string& task : table.tasks)
    for (const char* key : {"norm_b", "balancedness"}) html += layer_map(table, lines, task, key);
  return page(title, html + "</div>");
}

void write_sweep_report(const std::filesystem::path& folder, const std::string& title, const std::string& baseline,
                        const ResultLines& lines) {
  const bool scored = std::any_of(lines.begin(), lines.end(), [](const ordered_json& line) {
    return line.contains("dev") || line.contains("test");
  });
  if (!scored) return say("no run has a score: there is nothing to report");
  const SweepTable table = sweep_table(lines, baseline);
  std::printf("%s\n", text_table(overall_rows(table)).c_str());
  std::printf("%s\n", text_table(task_rows(table)).c_str());
  if (const auto rows = quantised_rows(table, lines); rows.size() > 1) std::printf("%s\n", text_table(rows).c_str());
  if (const auto rows = elsewhere_rows(table, lines); rows.size() > 1) std::printf("%s\n", text_table(rows).c_str());
  for (const std::string& note : table_notes(table)) std::printf("%s\n", note.c_str());
  write_file_atomically((folder / "report.html").string(), sweep_html(title, table, lines));
  write_file_atomically((folder / "table.csv").string(), csv_text(task_rows(table)));
  write_file_atomically((folder / "table.md").string(), sweep_markdown(table, lines));
  write_pictures(folder / "pictures", table, lines);
  std::printf("pictures in %s\n", (folder / "report.html").c_str());
}

}  // namespace lowland::apps

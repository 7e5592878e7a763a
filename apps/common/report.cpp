#include "apps/common/report.h"

#include <algorithm>
#include <fstream>

#include "apps/common/progress.h"
#include "apps/common/run_folder.h"
#include "apps/common/svg_chart.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

using nlohmann::json;

constexpr const char* kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#222;background:#fff}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}table{border-collapse:collapse;margin:1em 0}"
    "td,th{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}"
    "svg{width:100%;max-width:640px;height:auto;display:block;margin:1em 0}.grid{stroke:#e5e5e5}"
    ".tick{font-size:12px;fill:#555}.title{font-size:14px;font-weight:600;fill:#222}"
    "details{margin:1em 0}pre{background:#f6f6f6;padding:1em;overflow:auto}"
    "@media(prefers-color-scheme:dark){body{background:#191919;color:#ddd}.grid{stroke:#333}.tick{fill:#aaa}"
    ".title{fill:#ddd}td,th{border-color:#333}pre{background:#222}}";

// One curve per run of a key of metrics.jsonl.
std::vector<Series> curves(const std::vector<RunRecord>& runs, const std::vector<std::string>& keys) {
  std::vector<Series> out;
  for (const RunRecord& run : runs) {
    for (const std::string& key : keys) {
      Series s{runs.size() > 1 ? run.name : key, {}};
      for (const json& line : run.metrics)
        if (line.contains(key) && line.at(key).is_number())
          s.points.emplace_back(line.value("step", 0.0), line.at(key).get<double>());
      if (!s.points.empty()) out.push_back(std::move(s));
    }
  }
  return out;
}

// Every evaluation metric of the runs but the loss, in the order of their first appearance.
std::vector<std::string> metric_names(const std::vector<RunRecord>& runs) {
  std::vector<std::string> names;
  for (const RunRecord& run : runs) {
    if (!run.info.contains("last") || !run.info.at("last").is_object()) continue;
    for (const auto& [name, value] : run.info.at("last").items())
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

std::string number(const json& object, const std::string& key, const char* format = "{:.4f}") {
  if (!object.is_object() || !object.contains(key) || !object.at(key).is_number()) return "–";
  return fmt::format(fmt::runtime(format), object.at(key).get<double>());
}

// At the centre on the probe's examples where that was measured, so that methods can be compared; else the mean of the
// last logged steps, with a star where it was taken at the perturbed point.
std::string train_loss(const json& info) {
  if (info.contains("probe_loss")) return number(info, "probe_loss");
  return number(info, "train_loss") + (info.value("loss_name", "") == "loss_perturbed" ? "*" : "");
}

}  // namespace

RunRecord read_run(const std::filesystem::path& folder) {
  LL_CHECK(std::filesystem::exists(folder / "run.json"), "{} is not a run: it has no run.json", folder.string());
  std::filesystem::path name = folder.lexically_normal();
  if (!name.has_filename()) name = name.parent_path();
  RunRecord run{name.filename().string(), read_json_file(folder / "run.json"), {}};
  std::ifstream in(folder / "metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    json object = json::parse(line, nullptr, false);
    if (object.is_object()) run.metrics.push_back(std::move(object));
  }
  return run;
}

std::vector<std::vector<std::string>> run_table(const std::vector<RunRecord>& runs) {
  const std::vector<std::string> metrics = metric_names(runs);
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string>& head = rows.emplace_back(std::vector<std::string>{"run", "method"});
  for (const std::string& m : metrics) head.push_back(m);
  for (const char* name : {"best", "train loss", "sharpness", "ms/step", "peak memory"}) head.emplace_back(name);
  for (const RunRecord& run : runs) {
    const json none, &info = run.info;
    const json& settings = info.contains("settings") ? info.at("settings") : none;
    const json& last = info.contains("last") ? info.at("last") : none;
    std::vector<std::string> row{run.name, settings.is_object() ? settings.value("method", "–") : "–"};
    for (const std::string& m : metrics) row.push_back(number(last, m));
    row.push_back(info.contains("best_score") ? number(info.at("best_score"), "value") : "–");
    row.push_back(train_loss(info));
    row.push_back(number(info, "sharpness", "{:.3e}"));
    row.push_back(number(info, "step_ms", "{:.1f}"));
    row.push_back(info.contains("peak_bytes") ? bytes_text(info.at("peak_bytes").get<size_t>()) : "–");
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string report_html(const std::vector<RunRecord>& runs) {
  const std::string title = runs.size() == 1 ? "Run " + runs.front().name : "Runs side by side";
  std::string html = fmt::format(
      "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
      "<title>{0}</title><style>{1}</style></head><body><h1>{0}</h1><table>",
      escape_html(title), kStyle);
  const auto rows = run_table(runs);
  for (size_t r = 0; r < rows.size(); ++r) {
    html += "<tr>";
    for (const std::string& cell : rows[r])
      html += fmt::format("<{0}>{1}</{0}>", r == 0 ? "th" : "td", escape_html(cell));
    html += "</tr>";
  }
  html += "</table>";
  html += svg_chart("Training loss (eflat-lora: at the perturbed point)", "step",
                    curves(runs, {"loss", "loss_perturbed"}));
  for (const std::string& m : metric_names(runs)) html += svg_chart(m, "step", curves(runs, {m}));
  html += svg_chart("Sharpness", "step", curves(runs, {"sharpness"}));
  html += svg_chart("Norm of the perturbation", "step", curves(runs, {"perturbation_norm"}));
  html += svg_chart("Gradient norm", "step", curves(runs, {"grad_norm"}));
  html += svg_chart("Learning rate", "step", curves(runs, {"learning_rate"}));
  for (const RunRecord& run : runs)
    html += fmt::format("<details><summary>{} run.json</summary><pre>{}</pre></details>", escape_html(run.name),
                        escape_html(run.info.dump(2)));
  return html + "</body></html>\n";
}

}  // namespace lowland::apps

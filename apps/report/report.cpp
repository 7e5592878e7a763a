#include "apps/report/report.h"

#include <algorithm>
#include <cmath>

#include "apps/common/progress.h"
#include "apps/report/heat_map.h"
#include "apps/report/page.h"
#include "apps/report/svg_chart.h"
#include "apps/train/metrics_file.h"
#include "apps/train/run_folder.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

using nlohmann::json;

// The values of a key of metrics.jsonl.
Series curve(const RunRecord& run, const std::string& key, const std::string& name, size_t colour) {
  Series s{name, {}, colour};
  for (const json& line : run.metrics)
    if (line.contains(key) && line.at(key).is_number())
      s.points.emplace_back(line.value("step", 0.0), line.at(key).get<double>());
  return s;
}

// One curve per run; a run has the same colour in every chart.
std::vector<Series> curves(const std::vector<RunRecord>& runs, const std::string& key) {
  std::vector<Series> out;
  for (size_t i = 0; i < runs.size(); ++i) out.push_back(curve(runs[i], key, runs.size() > 1 ? runs[i].name : key, i));
  return out;
}

// Of training, and of evaluation where there was one: in one chart, to see them part.
std::string loss_chart(const std::vector<RunRecord>& runs) {
  std::vector<Series> all;
  std::string perturbed;
  bool evaluated = false;
  for (size_t i = 0; i < runs.size(); ++i) {
    const bool several = runs.size() > 1;
    const std::string prefix = several ? runs[i].name + ", " : "";
    Series dev = curve(runs[i], "eval_loss", prefix + "evaluation", several ? i : 1);
    Series train = curve(runs[i], "loss", prefix + "training", several ? i : 0);
    if (train.points.empty()) {
      train = curve(runs[i], "loss_perturbed", prefix + "training, perturbed", train.colour);
      if (!train.points.empty()) perturbed += (perturbed.empty() ? "" : ", ") + runs[i].name;
    }
    const bool both = several && !dev.points.empty();
    evaluated |= both;
    train.dashed = both;
    if (several) (both ? dev : train).name = runs[i].name;
    all.push_back(std::move(dev));
    all.push_back(std::move(train));
  }
  std::string note = evaluated ? "Solid: evaluation, at the centre; dashed: training." : "";
  if (!perturbed.empty())
    note += fmt::format("{}Training of {}: at the perturbed point.", note.empty() ? "" : " ", perturbed);
  return svg_chart("Loss", "step", all, note);
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
  if (!object.is_object() || !object.contains(key)) return "–";
  if (object.at(key).is_null()) return "undefined";  // as JSON has what is no number
  if (!object.at(key).is_number()) return "–";
  return fmt::format(fmt::runtime(format), object.at(key).get<double>());
}

// At the centre on the probe's examples where that was measured, so that methods can be compared; else the mean of the
// last logged steps, with a star where it was taken at the perturbed point.
std::string train_loss(const json& info) {
  if (info.contains("probe_loss")) return number(info, "probe_loss");
  return number(info, "train_loss") + (info.value("loss_name", "") == "loss_perturbed" ? "*" : "");
}

}  // namespace

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

std::vector<std::vector<std::string>> metric_rows(const std::vector<RunRecord>& runs) {
  std::vector<std::string> names{"run", "step"};
  for (const RunRecord& run : runs)
    for (const json& line : run.metrics)
      for (const auto& [name, value] : line.items())
        if (value.is_number() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  std::vector<std::vector<std::string>> rows{names};
  for (const RunRecord& run : runs)
    for (const json& line : run.metrics) {
      std::vector<std::string>& row = rows.emplace_back(std::vector<std::string>{run.name});
      for (size_t i = 1; i < names.size(); ++i)
        row.push_back(line.contains(names[i]) && line.at(names[i]).is_number() ? line.at(names[i]).dump() : "");
    }
  return rows;
}

std::vector<std::vector<std::string>> settings_that_differ(const std::vector<RunRecord>& runs) {
  std::vector<std::vector<std::string>> rows;
  const json none = json::object();
  const auto settings = [&](const RunRecord& run) -> const json& {
    return run.info.contains("settings") ? run.info.at("settings") : none;
  };
  for (const auto& [name, value] : settings(runs.front()).items()) {
    if (name == "out" || name == "resume" || name == "overwrite") continue;
    std::vector<std::string> row{name};
    bool differs = false;
    for (const RunRecord& run : runs) {
      const json other = settings(run).value(name, json());
      differs |= other != value;
      const std::string text = other.is_string() ? other.get<std::string>() : other.is_null() ? "" : other.dump();
      row.push_back(text.empty() ? "–" : text);
    }
    if (differs) rows.push_back(std::move(row));
  }
  if (rows.empty()) return rows;
  std::vector<std::string> head{"setting"};
  for (const RunRecord& run : runs) head.push_back(run.name);
  rows.insert(rows.begin(), std::move(head));
  return rows;
}

const char* perturbed_note(const std::vector<RunRecord>& runs) {
  for (const RunRecord& run : runs)
    if (!run.info.contains("probe_loss") && run.info.value("loss_name", "") == "loss_perturbed")
      return "* at the perturbed point: --sharpness-steps gives the loss at the centre";
  return "";
}

namespace {

// "EFlat-LoRA on sst2 ..." of one run: what it was, in a line.
std::string summary(const json& info) {
  const json none = json::object(), &s = info.contains("settings") ? info.at("settings") : none;
  std::string text = s.value("method", "");
  if (text != "full" && s.contains("rank")) text += fmt::format(", rank {}", s.value("rank", 0));
  if (const std::string task = s.value("task", ""); !task.empty()) text += ", task " + task;
  if (const std::string model = s.value("model", ""); !model.empty()) text += ", model " + model;
  text += fmt::format(", learning rate {:g}, seed {}", s.value("lr", 0.0), s.value("seed", int64_t{0}));
  if (info.contains("steps")) text += fmt::format(", {} steps", thousands(info.at("steps").get<int64_t>()));
  if (info.contains("seconds")) text += " in " + duration_text(info.at("seconds").get<double>());
  if (info.contains("trainable_params"))
    text += fmt::format(", {} trained parameters", thousands(info.at("trainable_params").get<int64_t>()));
  return fmt::format("{}, {}", text, counted(info.value("threads", 0), "thread"));
}

// Along the first direction; of a square, its middle row.
std::string landscapes(const std::vector<RunRecord>& runs) {
  std::vector<Series> series;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i].landscape.is_object()) continue;
    const auto at = runs[i].landscape.value("at", std::vector<double>());
    const json& loss = runs[i].landscape.at("loss");
    const size_t first = runs[i].landscape.value("dimensions", 1) == 2 ? at.size() / 2 * at.size() : 0;
    Series& s = series.emplace_back(Series{runs[i].name, {}, i});
    for (size_t k = 0; k < at.size() && loss.at(first + k).is_number(); ++k)
      s.points.emplace_back(at[k], loss.at(first + k).get<double>());
  }
  return svg_chart("Loss along a random direction", "share of the length of each row", series);
}

// What --probe balance logged: a row for each adapter, a column for each step.
std::string layer_maps(const RunRecord& run, const std::string& prefix) {
  std::vector<std::string> modules, steps;
  std::vector<const json*> probed;
  for (const json& line : run.metrics) {
    if (!line.contains("adapters") || !line.at("adapters").is_array()) continue;
    probed.push_back(&line.at("adapters"));
    steps.push_back(fmt::format("step {}", line.value("step", int64_t{0})));
  }
  if (probed.empty()) return "";
  for (const json& adapter : *probed.front()) modules.push_back(adapter.value("module", ""));
  std::string html;
  for (const auto& [title, key] : {std::pair{"Balancedness by layer", "balancedness"},
                                   {"Norm of B by layer", "norm_b"},
                                   {"Norm of the perturbation by layer", "perturbation_norm"}}) {
    std::vector<double> values;
    for (size_t m = 0; m < modules.size(); ++m)
      for (const json* adapters : probed) {
        const bool known = m < adapters->size() && (*adapters)[m].contains(key) && (*adapters)[m].at(key).is_number();
        values.push_back(known ? (*adapters)[m].at(key).get<double>() : std::nan(""));
      }
    html += grid_map(prefix + title, modules, steps, values);
  }
  return html;
}

std::string charts(const std::vector<RunRecord>& runs) {
  std::string html = "<div class='charts'>" + loss_chart(runs);
  for (const std::string& m : metric_names(runs))
    if (m != "eval_loss") html += svg_chart(m, "step", curves(runs, m));
  for (const auto& [title, key] : {std::pair{"Sharpness", "sharpness"},
                                   {"Average-case sharpness", "average_sharpness"},
                                   {"Cosine of the gradient and its estimate", "cosine"},
                                   {"EMA gap", "ema_gap"},
                                   {"Cosine of the moving average and a fresh perturbation", "ema_cosine"},
                                   {"Norm of the moving average over that of B", "ema_relative_norm"},
                                   {"Largest eigenvalue of the Hessian", "hessian_top"},
                                   {"Trace of the Hessian", "hessian_trace"},
                                   {"Norm of the perturbation", "perturbation_norm"},
                                   {"Gradient norm", "grad_norm"},
                                   {"Learning rate", "learning_rate"}})
    html += svg_chart(title, "step", curves(runs, key));
  for (const RunRecord& run : runs) html += layer_maps(run, runs.size() > 1 ? run.name + ": " : "");
  return html + landscapes(runs) + "</div>";
}

}  // namespace

std::string landscape_html(const std::string& title, const json& landscape) {
  const RunRecord run{title, {}, {}, landscape};
  std::string body = "<div class='charts'>" + landscapes({run});
  if (landscape.value("dimensions", 1) == 2)
    body += heat_map("Loss over two random directions", landscape.at("at").get<std::vector<double>>(),
                     landscape.at("loss").get<std::vector<double>>());
  return page(title, body + "</div>");
}

std::string plane_html(const std::string& title, const nlohmann::ordered_json& plane) {
  const auto at = plane.at("at").get<std::vector<double>>(), loss = plane.at("loss").get<std::vector<double>>();
  const std::vector<Mark> marks{
      {0, 0, "start"}, {1, 0, plane.at("one").get<std::string>()}, {0, 1, plane.at("other").get<std::string>()}};
  return page(title, "<div class='charts'>" + heat_map("Loss", at, loss, marks) + "</div>");
}

std::string report_html(const std::vector<RunRecord>& runs) {
  const std::string title = runs.size() == 1 ? "Run " + runs.front().name : "Runs side by side";
  std::string html;
  if (runs.size() == 1) html += fmt::format("<p class='note'>{}</p>", escape_html(summary(runs.front().info)));
  html += html_table(run_table(runs), runs.size() > 1, "");
  html += fmt::format("<p class='note'>{}</p>", perturbed_note(runs));
  html += charts(runs);
  if (const auto rows = settings_that_differ(runs); !rows.empty())
    html += "<h2>Settings that differ</h2>" + html_table(rows, false, "left");
  for (const RunRecord& run : runs)
    html += fmt::format("<details><summary>{} run.json</summary><pre>{}</pre></details>", escape_html(run.name),
                        escape_html(run.info.dump(2)));
  return page(title, html);
}

namespace {

// What is shown of a run is tried on it alone: a value of another kind is told with its file.
void check_record(const RunRecord& run, const std::filesystem::path& folder) {
  const char* file = "run.json";
  try {
    run_table({run});
    summary(run.info);
    file = "landscape.json";
    landscapes({run});
  } catch (const json::exception& e) {
    fail("{} is not as a run writes it: {}", (folder / file).string(), e.what());
  }
}

}  // namespace

RunRecord read_run(const std::filesystem::path& folder) {
  LL_CHECK(std::filesystem::exists(folder / "run.json"), "{} is not a run: it has no run.json", folder.string());
  std::filesystem::path name = folder.lexically_normal();
  if (!name.has_filename()) name = name.parent_path();
  RunRecord run{name.filename().string(), read_json_file(folder / "run.json"), {}, {}};
  LL_CHECK(run.info.is_object() && run.info.contains("settings") && run.info.at("settings").is_object(),
           "{} has no settings", (folder / "run.json").string());
  if (std::filesystem::exists(folder / "landscape.json")) run.landscape = read_json_file(folder / "landscape.json");
  MetricLines metrics = read_metric_lines(folder / "metrics.jsonl");
  say_damaged_lines(metrics, folder / "metrics.jsonl");
  run.metrics = std::move(metrics.lines);
  check_record(run, folder);
  return run;
}

}  // namespace lowland::apps

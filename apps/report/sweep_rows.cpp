// The rows of a sweep's tables, as texts.
#include <fmt/format.h>

#include <map>

#include "apps/report/sweep_table.h"

namespace lowland::apps {
namespace {

using Row = std::vector<std::string>;

// Shares of 1 as points of 100; losses as they are.
bool in_points(const SweepCell& cell) { return cell.sense > 0; }

std::string value(const SweepCell& cell, double v, bool sign) {
  return in_points(cell) ? fmt::format(fmt::runtime(sign ? "{:+.2f}" : "{:.2f}"), 100 * v)
                         : fmt::format(fmt::runtime(sign ? "{:+.4f}" : "{:.4f}"), v);
}

std::string chance(double p) { return p < 0.0001 ? fmt::format("{:.1e}", p) : fmt::format("{:.4f}", p); }

// Difference, interval, wins and chances; nothing of the baseline itself.
void add_comparison(const SweepCell& cell, const std::string& baseline, Row& row) {
  if (cell.method == baseline || cell.differences.empty()) {
    row.insert(row.end(), 5, "–");
    return;
  }
  row.push_back(value(cell, cell.difference.mean, true));
  row.push_back(fmt::format("{} to {}", value(cell, cell.interval.low, true), value(cell, cell.interval.high, true)));
  row.push_back(fmt::format("{} of {}{}", cell.wins, cell.differences.size(),
                            cell.ties > 0 ? fmt::format(", {} equal", cell.ties) : ""));
  row.push_back(chance(cell.p));
  row.push_back(chance(cell.p_holm));
}

void add_cost(const SweepCell& cell, const SweepCell* base, Row& row) {
  row.push_back(cell.sharpness.empty() ? "–" : fmt::format("{:.2e}", cell.rise.mean));
  const double of_base = base == nullptr ? 0.0 : summary_of(base->seconds).mean;
  row.push_back(of_base > 0 ? fmt::format("{:.2f}", summary_of(cell.seconds).mean / of_base) : "–");
}

std::string failures(const SweepCell& cell) { return cell.failed > 0 ? fmt::format(" ({} failed)", cell.failed) : ""; }

Row headings(const SweepTable& table, Row first) {
  const std::string against = "vs " + table.baseline;
  for (const std::string& name : {against, std::string("95% interval"), std::string("wins"), std::string("p"),
                                  std::string("p (Holm)"), std::string("sharpness"), std::string("time")})
    first.push_back(name);
  return first;
}

}  // namespace

std::vector<Row> overall_rows(const SweepTable& table) {
  std::vector<Row> rows{headings(table, {"method", "mean " + table.score_name})};
  const SweepCell* base = nullptr;
  for (const SweepCell& cell : table.overall)
    if (cell.method == table.baseline) base = &cell;
  for (const SweepCell& cell : table.overall) {
    Row& row = rows.emplace_back(
        Row{cell.method, (cell.scores.empty() ? "–" : value(cell, cell.score.mean, false)) + failures(cell)});
    add_comparison(cell, table.baseline, row);
    add_cost(cell, base, row);
  }
  return rows;
}

std::vector<Row> task_rows(const SweepTable& table) {
  std::vector<Row> rows{headings(table, {"task", "method", "setting", table.score_name})};
  for (const SweepCell& cell : table.cells) {
    std::string score = cell.scores.empty() ? "–" : value(cell, cell.score.mean, false);
    if (cell.scores.size() > 1) score += " ± " + value(cell, cell.score.deviation, false);
    Row& row = rows.emplace_back(
        Row{cell.task, cell.method, cell.setting.empty() ? "–" : cell.setting, score + failures(cell)});
    add_comparison(cell, table.baseline, row);
    add_cost(cell, table.find(cell.task, table.baseline), row);
  }
  return rows;
}

std::vector<Row> setting_rows(const SweepTable& table, const ResultLines& lines) {
  std::vector<Row> rows{{"task", "method", "setting", "runs", "dev", "test", "sharpness"}};
  struct Group {
    std::vector<double> dev, test, sharpness;
  };
  const auto add = [](const nlohmann::ordered_json& line, const char* key, std::vector<double>& to) {
    if (line.contains(key) && line.at(key).is_number()) to.push_back(line.at(key).get<double>());
  };
  for (const std::string& task : table.tasks)
    for (const std::string& method : table.methods) {
      std::vector<std::string> settings;
      std::map<std::string, Group> groups;
      for (const nlohmann::ordered_json& line : lines) {
        if (result_task(line) != task || line.value("method", "") != method) continue;
        const std::string setting = line.value("setting", "");
        if (!groups.contains(setting)) settings.push_back(setting);
        Group& g = groups[setting];
        add(line, "dev", g.dev);
        add(line, "test", g.test);
        add(line, "sharpness", g.sharpness);
      }
      const SweepCell* cell = table.find(task, method);
      const auto mean = [&](const std::vector<double>& v) {
        return v.empty() || cell == nullptr ? std::string("–") : value(*cell, summary_of(v).mean, false);
      };
      for (const std::string& setting : settings) {
        const Group& g = groups.at(setting);
        rows.push_back({task, method, setting.empty() ? "–" : setting, std::to_string(g.dev.size()), mean(g.dev),
                        mean(g.test), g.sharpness.empty() ? "–" : fmt::format("{:.2e}", summary_of(g.sharpness).mean)});
      }
    }
  return rows;
}

std::vector<Row> quantised_rows(const SweepTable& table, const ResultLines& lines) {
  std::vector<Row> rows{{"task", "method", "setting", table.score_name}};
  for (const nlohmann::ordered_json& line : lines)
    if (line.contains("quantised") && rows.front().size() == 4)
      for (const auto& [kind, scores] : line.at("quantised").items()) rows.front().push_back(kind);
  if (rows.front().size() == 4) return rows;
  for (const SweepCell& cell : table.cells) {
    Row& row = rows.emplace_back(Row{cell.task, cell.method, cell.setting.empty() ? "–" : cell.setting,
                                     cell.scores.empty() ? "–" : value(cell, cell.score.mean, false)});
    for (size_t kind = 4; kind < rows.front().size(); ++kind) {
      std::vector<double> changes;
      for (const nlohmann::ordered_json& line : lines) {
        const bool counts = result_task(line) == cell.task && line.value("method", "") == cell.method &&
                            line.value("setting", "") == cell.setting && line.contains("quantised");
        if (!counts || !line.at("quantised").contains(rows.front()[kind])) continue;
        const nlohmann::ordered_json& then = line.at("quantised").at(rows.front()[kind]);
        if (then.contains(table.split) && then.at(table.split).is_number() && line.at(table.split).is_number())
          changes.push_back(then.at(table.split).get<double>() - line.at(table.split).get<double>());
      }
      row.push_back(changes.empty() ? "–" : value(cell, summary_of(changes).mean, true));
    }
  }
  return rows;
}

std::vector<Row> elsewhere_rows(const SweepTable& table, const ResultLines& lines) {
  std::vector<Row> rows{{"task", "method", "setting", "data", "loss before", "after", "change"}};
  for (const SweepCell& cell : table.cells) {
    std::map<std::string, std::pair<std::vector<double>, std::vector<double>>> found;
    for (const nlohmann::ordered_json& line : lines) {
      const bool counts = result_task(line) == cell.task && line.value("method", "") == cell.method &&
                          line.value("setting", "") == cell.setting && line.contains("also");
      if (!counts) continue;
      for (const auto& [name, metrics] : line.at("also").at("after").items()) {
        found[name].first.push_back(line.at("also").at("before").at(name).value("eval_loss", 0.0));
        found[name].second.push_back(metrics.value("eval_loss", 0.0));
      }
    }
    for (const auto& [name, losses] : found) {
      const double before = summary_of(losses.first).mean, after = summary_of(losses.second).mean;
      rows.push_back({cell.task, cell.method, cell.setting.empty() ? "–" : cell.setting, name,
                      fmt::format("{:.4f}", before), fmt::format("{:.4f}", after),
                      fmt::format("{:+.4f}", after - before)});
    }
  }
  return rows;
}

std::vector<std::string> table_notes(const SweepTable& table) {
  bool chosen = false;
  for (const SweepCell& cell : table.cells) chosen |= cell.chosen_of_many;
  std::vector<std::string> notes{
      fmt::format("Scores of the {} split: mean and standard deviation over seeds. vs {}: the mean difference of runs "
                  "with the same seed, in the same unit.",
                  table.split, table.baseline),
      "95% interval: bootstrap of that mean over pairs. wins: pairs that are better. p: the exact two-sided paired "
      "permutation test (of more than 40 pairs 100,000 drawn ones); Holm: corrected for all rows of the table. "
      "sharpness: mean over seeds, on training examples, at the centre. time: of training, over that of " +
          table.baseline + "."};
  if (chosen)
    notes.emplace_back(
        "setting: of several the one with the best mean score on the dev split, for each task by itself.");
  if (table.chosen_on_what_is_scored)
    notes.emplace_back(
        "There is no test split: settings were chosen on what they are scored on, which flatters methods with many.");
  return notes;
}

}  // namespace lowland::apps

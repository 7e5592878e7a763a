#include "apps/report/sweep_table.h"

#include <algorithm>
#include <map>
#include <set>

#include "apps/train/objective.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

using nlohmann::ordered_json;

bool is_scored(const ordered_json& line, const std::string& split) {
  return !line.contains("error") && line.contains(split) && line.at(split).is_number();
}

template <class T> void add_once(std::vector<T>& list, const T& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

// +1 where a higher score is better.
double sense_of(const ordered_json& line) {
  return Evaluation::lower_is_better(line.value("score_name", "")) ? -1.0 : 1.0;
}

using OfSetting = std::vector<std::pair<std::string, std::vector<const ordered_json*>>>;  // in the order of the results

OfSetting by_setting(const ResultLines& lines, const std::string& task, const std::string& method) {
  OfSetting out;
  for (const ordered_json& line : lines) {
    if (result_task(line) != task || line.value("method", "") != method) continue;
    const std::string setting = line.value("setting", "");
    const auto at = std::find_if(out.begin(), out.end(), [&](const auto& s) { return s.first == setting; });
    if (at == out.end()) {
      out.push_back({setting, {&line}});
    } else {
      at->second.push_back(&line);
    }
  }
  return out;
}

// The number of the setting with the best mean dev score; of equal ones the first. A setting that failed on a seed, or
// has fewer of them, loses to one that has all.
size_t choose(const OfSetting& settings) {
  size_t best = 0;
  std::pair<size_t, double> most{0, 0};
  for (size_t i = 0; i < settings.size(); ++i) {
    std::vector<double> dev;
    for (const ordered_json* line : settings[i].second)
      if (is_scored(*line, "dev")) dev.push_back(sense_of(*line) * line->at("dev").get<double>());
    const std::pair<size_t, double> here{dev.size(), summary_of(dev).mean};
    if (i == 0 || here > most) {
      most = here;
      best = i;
    }
  }
  return best;
}

void add_lines(const std::vector<const ordered_json*>& lines, const std::string& split, SweepCell& cell) {
  for (const ordered_json* line : lines) {
    if (!is_scored(*line, split)) {
      ++cell.failed;
      continue;
    }
    cell.seeds.push_back(line->value("seed", int64_t{0}));
    cell.scores.push_back(line->at(split).get<double>());
    if (line->contains("sharpness") && line->at("sharpness").is_number())
      cell.sharpness.push_back(line->at("sharpness").get<double>());
  }
  for (const ordered_json* line : lines)
    if (line->contains("train_seconds")) cell.seconds.push_back(line->at("train_seconds").get<double>());
  cell.sense = sense_of(*lines.front());
  cell.score = summary_of(cell.scores);
  cell.rise = summary_of(cell.sharpness);
}

void compare(SweepCell& cell, const SweepCell& base) {
  for (size_t i = 0; i < cell.seeds.size(); ++i) {
    const auto at = std::find(base.seeds.begin(), base.seeds.end(), cell.seeds[i]);
    if (at == base.seeds.end()) continue;
    const double d = cell.scores[i] - base.scores[at - base.seeds.begin()];
    cell.differences.push_back(d);
    cell.wins += cell.sense * d > 0 ? 1 : 0;
    cell.ties += d == 0 ? 1 : 0;
  }
}

constexpr size_t kMostPairs = 40;  // of the exact test

void conclude(SweepCell& cell) {
  if (cell.differences.empty()) return;
  cell.difference = summary_of(cell.differences);
  cell.interval = bootstrap_mean(cell.differences);
  cell.p = cell.differences.size() <= kMostPairs ? paired_permutation_test(cell.differences)
                                                 : drawn_permutation_test(cell.differences);
}

// Over all cells but the baseline's.
void correct(std::vector<SweepCell>& cells, const std::string& baseline) {
  std::vector<double> p;
  for (const SweepCell& c : cells)
    if (c.method != baseline) p.push_back(c.p);
  const std::vector<double> adjusted = holm(p);
  size_t next = 0;
  for (SweepCell& c : cells)
    if (c.method != baseline) c.p_holm = adjusted[next++];
}

SweepCell overall_of(const SweepTable& table, const std::string& method) {
  SweepCell all;
  all.method = method;
  for (const std::string& task : table.tasks) {
    const SweepCell* cell = table.find(task, method);
    if (cell == nullptr) continue;
    all.sense = cell->sense;
    all.seconds.push_back(summary_of(cell->seconds).mean);
    all.failed += cell->failed;
    all.wins += cell->wins;
    all.ties += cell->ties;
    if (!cell->scores.empty()) all.scores.push_back(cell->score.mean);
    if (!cell->sharpness.empty()) all.sharpness.push_back(cell->rise.mean);
    all.differences.insert(all.differences.end(), cell->differences.begin(), cell->differences.end());
  }
  all.score = summary_of(all.scores);
  all.rise = summary_of(all.sharpness);
  conclude(all);
  return all;
}

void set_names(const ResultLines& lines, SweepTable& table) {
  std::set<std::string> names;
  bool tested = true, any = false;
  for (const ordered_json& line : lines) {
    add_once(table.tasks, result_task(line));
    add_once(table.methods, line.value("method", std::string()));
    if (line.contains("score_name")) names.insert(line.at("score_name").get<std::string>());
    if (!is_scored(line, "dev") && !is_scored(line, "test")) continue;
    any = true;
    tested &= is_scored(line, "test");
  }
  LL_CHECK(any, "there is no result with a score");
  table.split = tested ? "test" : "dev";
  table.score_name = names.size() == 1 ? *names.begin() : "score";
}

}  // namespace

std::string result_task(const ordered_json& line) {
  const std::string task = line.value("task", "");
  return line.contains("model") ? line.at("model").get<std::string>() + ", " + task : task;
}

const SweepCell* SweepTable::find(const std::string& task, const std::string& method) const {
  const auto at = std::find_if(cells.begin(), cells.end(),
                               [&](const SweepCell& c) { return c.task == task && c.method == method; });
  return at == cells.end() ? nullptr : &*at;
}

SweepTable sweep_table(const ResultLines& lines, const std::string& baseline) {
  SweepTable table;
  table.baseline = baseline;
  set_names(lines, table);
  for (const std::string& task : table.tasks) {
    const size_t first = table.cells.size();
    for (const std::string& method : table.methods) {
      const OfSetting settings = by_setting(lines, task, method);
      if (settings.empty()) continue;
      const auto& [setting, runs] = settings[choose(settings)];
      SweepCell& cell = table.cells.emplace_back();
      cell.task = task;
      cell.method = method;
      cell.setting = setting;
      cell.chosen_of_many = settings.size() > 1;
      table.chosen_on_what_is_scored |= cell.chosen_of_many && table.split == "dev";
      add_lines(runs, table.split, cell);
    }
    const SweepCell* base = table.find(task, baseline);
    const SweepCell none;
    const SweepCell copy = base != nullptr ? *base : none;
    for (size_t i = first; i < table.cells.size(); ++i) {
      compare(table.cells[i], copy);
      conclude(table.cells[i]);
    }
  }
  correct(table.cells, baseline);
  for (const std::string& method : table.methods) table.overall.push_back(overall_of(table, method));
  correct(table.overall, baseline);
  return table;
}

}  // namespace lowland::apps

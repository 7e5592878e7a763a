#include "apps/data/task.h"

#include <algorithm>
#include <charconv>

#include "engine/error.h"
#include "models/chat/strip.h"

namespace lowland {
namespace {

int find_name(const std::vector<std::string>& names, const std::string& lower) {
  for (size_t id = 0; id < names.size(); ++id) {
    if (to_lower(names[id]) == lower) return static_cast<int>(id);
  }
  return -1;
}

}  // namespace

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

const std::string& TaskFiles::name(SplitName split) const {
  switch (split) {
    case SplitName::train: return train;
    case SplitName::dev: return dev;
    case SplitName::test: return test;
    case SplitName::dev_mm: return dev_mm;
    case SplitName::test_mm: break;
  }
  return test_mm;
}

void TaskInfo::complete() {
  regression = labels.empty();
  num_labels = regression ? 1 : std::ssize(labels);
  problem_type = regression ? "regression" : "single_label_classification";
  pair = !pair_column.empty();
  for (size_t id = file_labels.size(); id < labels.size(); ++id) file_labels.push_back(std::to_string(id));
}

int TaskInfo::find_label(std::string_view spelling) const {
  // Generic labels may differ in case only, so the exact spelling goes first.
  const auto exact = std::find(file_labels.begin(), file_labels.end(), spelling);
  if (exact != file_labels.end()) return static_cast<int>(exact - file_labels.begin());
  if (const auto value = parse_integer(spelling); value && spelling != std::to_string(*value))
    return find_label(std::to_string(*value));
  const std::string lower = to_lower(spelling);
  const int named = std::max(find_name(file_labels, lower), find_name(labels, lower));
  const size_t end = label_end.empty() ? spelling.npos : spelling.find(label_end);
  return named >= 0 || end == spelling.npos ? named : find_label(spelling.substr(0, end));
}

std::string TaskInfo::describe_labels() const {
  if (regression)
    return min_score < max_score ? fmt::format("a number from {} to {}", min_score, max_score) : "a number";
  std::string text;
  const size_t shown = std::min<size_t>(labels.size(), 20);
  for (size_t id = 0; id < shown; ++id) {
    text += fmt::format("{}{}", id ? ", " : "", file_labels[id]);
    if (file_labels[id] != labels[id]) text += fmt::format(" ({})", labels[id]);
  }
  return shown < labels.size() ? fmt::format("{}, ... ({} labels)", text, labels.size()) : text;
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const TaskInfo& task : task_table()) names.push_back(task.name);
  return names;
}

std::string task_help() { return fmt::format("{}, or text for files of your own", fmt::join(task_names(), " ")); }

TaskInfo task_info(std::string_view name) {
  const std::string lower = to_lower(name);
  for (const TaskInfo& task : task_table()) {
    if (task.name == lower) return task;
  }
  fail("unknown task `{}`; known are {} and text", name, fmt::join(task_names(), " "));
}

TaskInfo text_task(const std::vector<std::string>& labels, bool pair) {
  TaskInfo task = {.name = "text", .labels = labels, .file_labels = labels};
  task.complete();
  task.pair = pair;
  if (!task.regression) return task;
  task.metrics = {"pearson", "spearmanr", "combined_score", "mse"};
  task.primary_metric = "pearson";
  return task;
}

TaskInfo multi_label_task(const std::vector<std::string>& labels, bool pair) {
  TaskInfo task = text_task(labels, pair);
  task.multi_label = true;
  task.problem_type = "multi_label_classification";
  task.metrics = {"micro_f1", "macro_f1", "subset_accuracy"};
  task.primary_metric = "micro_f1";
  return task;
}

std::optional<int64_t> parse_integer(std::string_view text) {
  text = strip(text);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

std::vector<std::string> label_set(std::vector<std::string> labels) {
  std::vector<int64_t> values;
  for (const std::string& label : labels) {
    if (const auto value = parse_integer(label)) values.push_back(*value);
  }
  const bool integers = values.size() == labels.size();
  std::sort(values.begin(), values.end());
  if (integers)
    std::transform(values.begin(), values.end(), labels.begin(), [](int64_t v) { return std::to_string(v); });
  if (!integers) std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return labels;
}

bool is_default_label2id(const std::map<std::string, int>& label2id) {
  return std::all_of(label2id.begin(), label2id.end(),
                     [](const auto& entry) { return to_lower(entry.first) == fmt::format("label_{}", entry.second); });
}

bool labels_match(const TaskInfo& task, const std::map<std::string, int>& label2id) {
  const auto count = std::ssize(label2id);
  if (task.regression) return count <= 1;
  if (is_default_label2id(label2id)) return label2id.empty() || count == task.num_labels;
  try {
    remap_labels(task, label2id);
  } catch (const Error&) {
    return false;
  }
  return true;
}

TaskInfo remap_labels(const TaskInfo& task, const std::map<std::string, int>& label2id) {
  if (task.regression || is_default_label2id(label2id)) return task;
  TaskInfo mapped = task;
  const int64_t n = std::ssize(task.labels);
  std::vector<bool> id_used(n, false), label_used(n, false);
  for (const auto& [label, id] : label2id) {
    const std::string lower = to_lower(label);
    const int from = std::max(find_name(task.labels, lower), find_name(task.file_labels, lower));
    LL_CHECK(from >= 0 && !label_used[from], "the checkpoint's label `{}` does not match the labels of task {}: {}",
             label, task.name, task.describe_labels());
    LL_CHECK(id >= 0 && id < n && !id_used[id],
             "the checkpoint's label2id gives `{}` the id {}; ids must be 0 to {}, each once", label, id, n - 1);
    id_used[id] = label_used[from] = true;
    mapped.labels[id] = task.labels[from];
    mapped.file_labels[id] = task.file_labels[from];
    if (from == task.positive_label) mapped.positive_label = id;
  }
  const auto missing = std::find(label_used.begin(), label_used.end(), false);
  LL_CHECK(missing == label_used.end(), "the checkpoint's labels lack `{}`, a label of task {}",
           task.labels[missing - label_used.begin()], task.name);
  return mapped;
}

const std::string& glue_prediction(const TaskInfo& task, int label) {
  LL_CHECK(!task.regression && label >= 0 && label < task.num_labels, "label {} is not a class of task {}", label,
           task.name);
  return task.file_labels[label];
}

}  // namespace lowland

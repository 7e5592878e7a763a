#include "apps/data/task.h"

#include <algorithm>
#include <cctype>

#include "engine/error.h"

namespace lowland {
namespace {

struct Columns {
  const char *text, *pair, *label;
};

using Labels = std::vector<std::string>;

TaskInfo classes(const char* name, Labels labels, bool numbered, Columns columns, Labels metrics = {"accuracy"},
                 const char* primary = "accuracy") {
  TaskInfo task;
  task.name = name;
  task.file_labels = labels;
  for (size_t id = 0; numbered && id < labels.size(); ++id) task.file_labels[id] = std::to_string(id);
  task.labels = std::move(labels);
  task.num_labels = static_cast<int64_t>(task.labels.size());
  task.problem_type = "single_label_classification";
  task.pair = *columns.pair != 0;
  task.primary_metric = primary;
  task.metrics = std::move(metrics);
  task.text_column = columns.text;
  task.pair_column = columns.pair;
  task.label_column = columns.label;
  return task;
}

TaskInfo scores(const char* name, double low, double high, Columns columns, Labels metrics) {
  TaskInfo task = classes(name, {}, false, columns, std::move(metrics), "pearson");
  task.num_labels = 1;
  task.regression = true;
  task.problem_type = "regression";
  task.min_score = low;
  task.max_score = high;
  return task;
}

std::vector<TaskInfo> make_tasks() {
  const Labels f1_metrics = {"accuracy", "f1", "combined_score"};
  const Labels correlations = {"pearson", "spearmanr", "combined_score"};
  const Labels nli = {"entailment", "neutral", "contradiction"}, two_way = {"entailment", "not_entailment"};
  return {
      classes("cola", {"unacceptable", "acceptable"}, true, {"sentence", "", "label"}, {"matthews_correlation"},
              "matthews_correlation"),
      classes("sst2", {"negative", "positive"}, true, {"sentence", "", "label"}),
      classes("mrpc", {"not_equivalent", "equivalent"}, true, {"#1 String", "#2 String", "Quality"}, f1_metrics, "f1"),
      scores("stsb", 0, 5, {"sentence1", "sentence2", "score"}, correlations),
      classes("qqp", {"not_duplicate", "duplicate"}, true, {"question1", "question2", "is_duplicate"}, f1_metrics,
              "f1"),
      classes("mnli", nli, false, {"sentence1", "sentence2", "gold_label"}),
      classes("qnli", two_way, false, {"question", "sentence", "label"}),
      classes("rte", two_way, false, {"sentence1", "sentence2", "label"}),
      classes("wnli", {"not_entailment", "entailment"}, true, {"sentence1", "sentence2", "label"}),
      classes("snli", nli, false, {"sentence1", "sentence2", "gold_label"}),
      classes("sst5", {"very negative", "negative", "neutral", "positive", "very positive"}, true,
              {"text", "", "label"}),
      classes("trec", {"DESC", "ENTY", "ABBR", "HUM", "LOC", "NUM"}, true, {"text", "", "label"}),
      classes("mr", {"negative", "positive"}, true, {"text", "", "label"}),
      classes("subj", {"subjective", "objective"}, true, {"text", "", "label"}),
  };
}

bool is_integer(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return !text.empty() && text.size() <= 18 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

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

int TaskInfo::find_label(std::string_view spelling) const {
  // Generic labels may differ in case only, so the exact spelling goes first.
  const auto exact = std::find(file_labels.begin(), file_labels.end(), spelling);
  if (exact != file_labels.end()) return static_cast<int>(exact - file_labels.begin());
  const std::string lower = to_lower(spelling);
  const int named = std::max(find_name(file_labels, lower), find_name(labels, lower));
  if (named >= 0 || name == "text") return named;
  if (name == "trec" && spelling.find(':') != std::string_view::npos) {  // "DESC:manner", the original files
    return find_label(spelling.substr(0, spelling.find(':')));
  }
  return -1;
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

const std::vector<std::string>& task_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const TaskInfo& task : make_tasks()) all.push_back(task.name);
    return all;
  }();
  return names;
}

TaskInfo task_info(std::string_view name) {
  const std::string lower = to_lower(name);
  if (lower == "text") {
    return classes("text", {}, false, {"text", "", "label"});
  }
  for (TaskInfo& task : make_tasks()) {
    if (task.name == lower) return task;
  }
  fail("unknown task `{}`; known are {} and text", name, fmt::join(task_names(), " "));
}

TaskInfo text_task(const std::vector<std::string>& labels, bool pair) {
  TaskInfo task = labels.empty()
                      ? scores("text", 0, 0, {"text", "", "label"}, {"pearson", "spearmanr", "combined_score", "mse"})
                      : classes("text", labels, false, {"text", "", "label"});
  task.pair = pair;
  return task;
}

void sort_labels(std::vector<std::string>& labels) {
  if (!std::all_of(labels.begin(), labels.end(), is_integer)) {
    std::sort(labels.begin(), labels.end());
    return;
  }
  std::sort(labels.begin(), labels.end(), [](const std::string& a, const std::string& b) {
    const int64_t x = std::stoll(a), y = std::stoll(b);
    return x != y ? x < y : a < b;
  });
}

bool is_default_label2id(const std::map<std::string, int>& label2id) {
  return std::all_of(label2id.begin(), label2id.end(),
                     [](const auto& entry) { return to_lower(entry.first) == fmt::format("label_{}", entry.second); });
}

bool labels_match(const TaskInfo& task, const std::map<std::string, int>& label2id) {
  const auto count = static_cast<int64_t>(label2id.size());
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
  const size_t n = task.labels.size();
  std::vector<bool> id_used(n, false), label_used(n, false);
  for (const auto& [label, id] : label2id) {
    const std::string lower = to_lower(label);
    const int from = std::max(find_name(task.labels, lower), find_name(task.file_labels, lower));
    LL_CHECK(from >= 0 && !label_used[static_cast<size_t>(from)],
             "the checkpoint's label `{}` does not match the labels of task {}: {}", label, task.name,
             task.describe_labels());
    LL_CHECK(id >= 0 && static_cast<size_t>(id) < n && !id_used[static_cast<size_t>(id)],
             "the checkpoint's label2id gives `{}` the id {}; ids must be 0 to {}, each once", label, id, n - 1);
    id_used[static_cast<size_t>(id)] = label_used[static_cast<size_t>(from)] = true;
    mapped.labels[static_cast<size_t>(id)] = task.labels[static_cast<size_t>(from)];
    mapped.file_labels[static_cast<size_t>(id)] = task.file_labels[static_cast<size_t>(from)];
    if (from == task.positive_label) mapped.positive_label = id;
  }
  const auto missing = std::find(label_used.begin(), label_used.end(), false);
  LL_CHECK(missing == label_used.end(), "the checkpoint's labels lack `{}`, a label of task {}",
           task.labels[static_cast<size_t>(missing - label_used.begin())], task.name);
  return mapped;
}

const std::string& glue_prediction(const TaskInfo& task, int label) {
  LL_CHECK(!task.regression && label >= 0 && label < task.num_labels, "label {} is not a class of task {}", label,
           task.name);
  return task.file_labels[static_cast<size_t>(label)];
}

}  // namespace lowland

// What a classification or regression task is: labels and their ids, columns, metrics. Reads no file.
// Ids follow Hugging Face's GLUE (MNLI, SNLI: entailment 0, neutral 1, contradiction 2; QNLI, RTE: entailment
// 0; WNLI: not_entailment 0). TREC, SST-5, MR and Subj keep the ids of their published files. A checkpoint
// with labels of its own in another order wins: remap_labels, before or after the examples are loaded.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

struct TaskInfo {
  std::string name;
  std::vector<std::string> labels;       // in id order; empty for regression
  std::vector<std::string> file_labels;  // the same as published files and GLUE submissions spell them
  int64_t num_labels = 0;                // outputs of the head: 1 for regression
  bool regression = false;
  std::string problem_type;             // "single_label_classification" or "regression", as in config.json
  bool pair = false;                    // two texts
  std::string primary_metric;           // decides adapter-best; greater is better for every task
  std::vector<std::string> metrics;     // in printing order
  int positive_label = 1;               // the class f1 is about; follows remap_labels
  double min_score = 0, max_score = 0;  // allowed targets of a regression, unbounded if equal
  std::string text_column, pair_column, label_column;

  // Id of a label as a file spells it (published spelling, or name in any case); -1 if there is none.
  int find_label(std::string_view spelling) const;
  // "0 (negative), 1 (positive)", for messages.
  std::string describe_labels() const;
};

// cola sst2 mrpc stsb qqp mnli qnli rte wnli snli sst5 trec mr subj
const std::vector<std::string>& task_names();
// Error for an unknown name, listing all. `text` gives the empty generic task, completed by load_text.
TaskInfo task_info(std::string_view name);
// The generic task: classes sorted already, or regression if `labels` is empty.
TaskInfo text_task(const std::vector<std::string>& labels, bool pair);
// Labels in the order of the `text` task: by value if all are integers, else by bytes (Python's order).
void sort_labels(std::vector<std::string>& labels);

// A label2id of LABEL_0, LABEL_1, ... (or none) says nothing about a task.
bool is_default_label2id(const std::map<std::string, int>& label2id);
// Whether label2id names exactly the task's labels (any order, lower case), or is default with as many.
bool labels_match(const TaskInfo& task, const std::map<std::string, int>& label2id);
// The task with label2id's ids. Names keep the task's spelling. A default label2id changes nothing.
// Error: a label that does not match, a different number of labels, ids that are not 0..n-1.
TaskInfo remap_labels(const TaskInfo& task, const std::map<std::string, int>& label2id);

// What `--format glue` writes for a class: the file's spelling ("1", "entailment").
const std::string& glue_prediction(const TaskInfo& task, int label);

std::string to_lower(std::string_view text);  // ASCII only

}  // namespace lowland

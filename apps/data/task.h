// What a classification or regression task is: its files, columns, labels and their ids, metrics. Reads no file.
// The rows are in task_table.cpp; docs/add_a_task.md adds one.
// Ids follow Hugging Face's GLUE (MNLI, SNLI: entailment 0, neutral 1, contradiction 2; QNLI, RTE: entailment
// 0; WNLI: not_entailment 0). TREC, SST-5, MR and Subj keep the ids of their published files. A checkpoint
// with labels of its own in another order wins: remap_labels, before or after the examples are loaded.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

enum class FileFormat {
  tsv,         // a header with the task's columns; quotes mean nothing
  csv,         // quoted: a header with the task's columns or, for single texts, `label,text` (k-shot folders)
  jsonl,       // one object a line with the task's columns as keys
  label_text,  // `label text` on each line
};

enum class SplitName { train, dev, test, dev_mm, test_mm };  // mm: mismatched, MNLI's second halves

// The names of files that were published together, empty where there is none.
struct TaskFiles {
  FileFormat format = FileFormat::tsv;
  std::string train = {}, dev = {}, test = {}, dev_mm = {}, test_mm = {};
  std::vector<size_t> positions = {};  // of text, second text and label in a .tsv without a header; empty: it has one
  const std::string& name(SplitName split) const;
};

struct TaskInfo {
  // A row of the table. What it leaves out is as here.
  std::string name = {};
  std::string about = {};                 // what is asked, on a line
  std::vector<std::string> folders = {};  // what its folder may be called besides: small letters, no - _ . or spaces
  std::vector<TaskFiles> files = {};      // in the order in which they are looked for
  std::string text_column = "text";
  std::string pair_column = {};  // of the second text, where there are two
  std::string label_column = "label";
  std::vector<std::string> labels = {};             // in id order; none: a regression
  std::vector<std::string> file_labels = {};        // as files and GLUE submissions spell them; none: 0, 1, ...
  std::string skipped_label = {};                   // rows with it are left out and counted
  std::string label_end = {};                       // a label ends before it: "DESC:manner" is DESC
  double min_score = 0, max_score = 0;              // allowed targets of a regression, unbounded if equal
  std::vector<std::string> metrics = {"accuracy"};  // in printing order
  std::string primary_metric = "accuracy";          // decides adapter-best; greater is better for every task

  // What follows from these.
  int64_t num_labels = 0;  // outputs of the head: 1 for regression
  bool regression = false;
  std::string problem_type = {};  // as in config.json: single_label_classification, regression, or:
  bool multi_label = false;       // multi_label_classification: an example has any number of the labels
  bool pair = false;              // two texts
  int positive_label = 1;         // the class f1 is about; follows remap_labels

  // Fills them in.
  void complete();
  // Id of a label as a file spells it (published spelling, or name in any case; of integers their value: " 01" is 1);
  // -1 if there is none.
  int find_label(std::string_view spelling) const;
  // "0 (negative), 1 (positive)", for messages.
  std::string describe_labels() const;
};

// All tasks, in the order of the documentation.
const std::vector<TaskInfo>& task_table();
std::vector<std::string> task_names();
// Of --task: "cola sst2 ..., or text for files of your own".
std::string task_help();
// Error for an unknown name, listing all.
TaskInfo task_info(std::string_view name);
// The generic task: classes sorted already, or regression if `labels` is empty.
TaskInfo text_task(const std::vector<std::string>& labels, bool pair);
// The same where an example has any number of the labels.
TaskInfo multi_label_task(const std::vector<std::string>& labels, bool pair);
// The classes that the `text` task makes of a file's labels, each once: integers by value and written as such, as
// pandas reads a column of them (" 1" is 1), anything else by bytes (Python's order).
std::vector<std::string> label_set(std::vector<std::string> labels);
// The whole text as an integer, blanks around it allowed; nothing otherwise.
std::optional<int64_t> parse_integer(std::string_view text);

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

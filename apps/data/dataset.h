// Labelled texts in memory: the published folders of the known tasks, and any TSV, CSV or JSONL file.
//
// Known tasks (load_task): columns by header name, quotes mean nothing in TSV, a row that lacks a needed
// column or has gold label `-` is skipped and counted. Texts are kept as they are (SST-2's end in a space);
// only the sent-conv format, `label text` on a line, is stripped at both ends, as Hugging Face's copies of
// these sets are.
//
// Generic files (load_text): a row with another number of columns is refused. Classes are label_set (task.h) of the
// labels. Regression, as in a column of dtype float: every label is a number and at least one is not an integer literal
// ("3.0" and "2.5" make a regression, "3" and " 2" two classes; JSON strings are classes). problem_type says otherwise:
// of multi_label_classification a label is a JSON list, or a comma list in a cell, and may be empty.
//
// Without a dev file, one is carved from train: seeded, stratified by label, whether or not dev is asked for.
// Every error names file:line and what was expected.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "apps/data/task.h"

namespace lowland {

struct Example {
  std::string text_a, text_b;
  bool has_pair = false;
  int label = -1;                                           // class id; -1 for a regression or an unlabelled row
  std::vector<int> classes = {};                            // of a multi-label task: ids, ascending
  double score = std::numeric_limits<double>::quiet_NaN();  // target of a regression
  std::string label_name = {};                              // the task's name of the label
  int64_t line = 0;                                         // in the file, from 1
};

struct Split {
  std::vector<Example> examples = {};
  std::string file = {};         // where it was read from, empty if it was not loaded
  int64_t skipped = 0;           // rows left out
  std::string skip_reason = {};  // "1 row lacks a column (first: line 7); 2 rows have gold label `-`"
  int64_t repaired = 0;          // lines with bytes that were not UTF-8, read as Windows-1252
  bool labelled = true;          // false for a test file without labels: good for predict only
  bool carved = false;           // a dev split drawn from train
};

struct TextDataset {
  TaskInfo task;
  Split train, dev, test;
  Split dev_mm, test_mm;  // MNLI's mismatched halves
};

struct LoadOptions {
  bool train = true, dev = true, test = false;  // what to load; asking for what is not there is an error
  double dev_fraction = 0.1;                    // where there is no dev file; 0: no dev split then
  uint64_t seed = 42;                           // of that split
  int64_t max_train_samples = 0;                // the first so many (after the dev split is carved); 0: all
  int64_t max_eval_samples = 0;                 // of dev and test each
  bool draw_eval_samples = false;               // those are drawn, the same for any seed, instead of the first
  int64_t shots = 0;                            // training examples of each class, drawn by the seed; 0: all
  int64_t dev_shots = 0;                        // the dev split is as many others of train of each class; 0: as above
  double label_noise = 0;                       // share of the training examples that get another class, by the seed
};

// data_dir: the task's folder, a k-shot folder (TASK/16-SEED), the sent-conv folder, or the folder above
// (GLUE) with the task's folder in any spelling (SST-2, sst2, ...). A k-shot seed without a test file takes
// the one beside it. `task` may carry ids changed by remap_labels.
TextDataset load_task(const TaskInfo& task, const std::string& data_dir, const LoadOptions& options);

struct TextFiles {
  std::string train, dev, test;  // .tsv, .csv or .jsonl; empty: none
  std::string text_column = "text", pair_column, label_column = "label";
  std::string problem_type = {};  // transformers'; empty: as the labels look
};

// known: the labels of a checkpoint or run; required when no train file is given. Otherwise they come from
// train, and a label that only dev or test has is an error. A dev file without train is read by itself.
TextDataset load_text(const TextFiles& files, const LoadOptions& options, const std::optional<TaskInfo>& known = {});

// Changes the ids of the task and of all examples (the labels of `text` are known after loading only).
void remap_labels(TextDataset& data, const std::map<std::string, int>& label2id);

// Moves about fraction of train (at least one example) to dev: per label, largest remainders, drawn by seed,
// both in file order. A label with a single example stays in train, so dev may end up empty.
// Error: fraction not inside (0, 1).
Split carve_dev(Split& train, double fraction, uint64_t seed);

}  // namespace lowland

// Where the files of a known task lie and in which of the published formats.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "apps/data/task.h"

namespace lowland {

enum class FileFormat {
  glue,           // TSV with a header, no quoting
  cola,           // TSV: source, label, star, sentence; GLUE's test file has a header
  stsb_original,  // TSV without a header: score, sentence1, sentence2 in columns 5 to 7
  sent_conv,      // `label text` on each line
  csv,            // quoted CSV: a header with the task's columns, or `label,text` (k-shot folders)
  jsonl,          // one object a line with the task's columns as keys
};

enum class SplitName { train, dev, test, dev_mm, test_mm };

struct TaskFile {
  std::string path;
  FileFormat format;
};

// The folder that holds the task's files: data_dir itself or a folder in it. Error says what was looked for.
std::string find_task_folder(const TaskInfo& task, const std::string& data_dir);
std::optional<TaskFile> find_task_file(const TaskInfo& task, const std::string& folder, SplitName split);
// "train.tsv, train.csv or train.jsonl"
std::string expected_files(const TaskInfo& task, SplitName split);

}  // namespace lowland

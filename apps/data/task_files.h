// Where the files of a task lie.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "apps/data/task.h"

namespace lowland {

struct TaskFile {
  std::string path;
  FileFormat format = FileFormat::tsv;
  std::vector<size_t> positions = {};  // as in TaskFiles
};

// The folder that holds the task's files: data_dir itself or a folder in it. Error says what was looked for.
std::string find_task_folder(const TaskInfo& task, const std::string& data_dir);
std::optional<TaskFile> find_task_file(const TaskInfo& task, const std::string& folder, SplitName split);
// "train.tsv, train.csv or train.jsonl"
std::string expected_files(const TaskInfo& task, SplitName split);

}  // namespace lowland

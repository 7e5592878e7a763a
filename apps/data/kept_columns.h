// Columns of what predict reads that stand beside its labels.
#pragma once
#include <string>
#include <vector>

#include "apps/data/dataset.h"

namespace lowland {

struct KeptColumns {
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> rows;  // a cell a name, for each example
};

// names: a comma list. Of a table (as read_predict_input takes it) any of its columns, read again from the file; of
// lines `text` and `text_pair` or the task's names for them. Error: a column that is not there, a name that the labels
// have (index, label, score, scores).
KeptColumns keep_columns(const std::string& names, const std::string& path, const TaskInfo& task,
                         const std::vector<Example>& examples);

}  // namespace lowland

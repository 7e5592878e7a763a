// Texts to predict, from a file or the standard input ("-").
//   .csv, .jsonl, .json  the task's text columns by name, other columns ignored
//   .tsv                 the same if the first line names them (GLUE's test files); else as lines
//   anything else        one text a line; for a task of pairs the two texts split by one TAB
// One example per line or record in order, so that the output's index is the input's; an empty line is a
// text.
#pragma once
#include <string>

#include "apps/data/dataset.h"
#include "apps/data/records.h"

namespace lowland {

// How the file is read: as a table, or as lines (nothing).
std::optional<TableFormat> predict_table(const TaskInfo& task, const std::string& path);

// A split without labels. Errors with file:line: a pair without exactly one TAB, a missing column or key, a broken
// record; no text.
Split read_predict_input(const TaskInfo& task, const std::string& path);

}  // namespace lowland

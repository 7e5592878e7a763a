// What the readers of labelled texts share.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/dataset.h"
#include "apps/data/records.h"

namespace lowland {

enum class LabelColumn { required, optional, none };

// The task's columns in a file: text, second text of a pair, label.
RecordSpec columns_of(const TaskInfo& task, TableFormat format, LabelColumn label);
// b: of a pair.
Example text_example(const TaskInfo& task, std::string a, std::string b, int64_t line);
// Adds a row of these columns to the split and returns the cell of its label, which the example does not have yet.
// Error: some rows have a label and some do not.
Cell add_row(const TaskInfo& task, const RecordReader& in, std::vector<Cell>& cells, Split& split);

// The whole text as a decimal number (also nan, inf), surrounding spaces allowed; nothing otherwise.
std::optional<double> parse_number(std::string_view text);
// Sets label and label_name, or score. Error at `where`: not one of the task's, with those listed.
void set_label(const TaskInfo& task, const std::string& text, const std::string& where, Example& example);
// Of a multi-label task: the cell's labels (a JSON list, else a comma list), and their ids into the example.
std::vector<std::string> labels_in(const Cell& cell);
void set_labels(const TaskInfo& task, const Cell& cell, const std::string& where, Example& example);
// Ends loading: error if dev was asked for and carving found nothing to take; what was not asked for goes, and what is
// more than max_train_samples, max_eval_samples and shots; then label_noise.
void keep_wanted(TextDataset& data, const LoadOptions& options);

}  // namespace lowland

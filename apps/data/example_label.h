// What load_task and load_text share.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "apps/data/dataset.h"

namespace lowland {

// The whole text as a decimal number (also nan, inf), surrounding spaces allowed; nothing otherwise.
std::optional<double> parse_number(std::string_view text);
// Sets label and label_name, or score. Error at `where`: not one of the task's, with those listed.
void set_label(const TaskInfo& task, const std::string& text, const std::string& where, Example& example);
// Error if dev was asked for and carving found nothing to take.
void check_carved(const TextDataset& data, const LoadOptions& options);
// Applies max_train_samples and max_eval_samples.
void apply_limits(TextDataset& data, const LoadOptions& options);

}  // namespace lowland

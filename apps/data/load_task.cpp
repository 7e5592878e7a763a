#include "apps/data/dataset.h"
#include "apps/data/examples.h"
#include "apps/data/task_files.h"
#include "engine/error.h"
#include "models/chat/strip.h"

namespace lowland {
namespace {

// Rows left out, and why.
struct Skips {
  int64_t short_rows = 0, first_short = 0, skipped = 0;

  void report(const TaskInfo& task, Split& split) const {
    split.skipped = short_rows + skipped;
    if (short_rows > 0) {
      split.skip_reason = fmt::format("{} {} a column (first: line {})", short_rows,
                                      short_rows == 1 ? "row lacks" : "rows lack", first_short);
    }
    if (skipped > 0) {
      split.skip_reason += fmt::format("{}{} {} gold label `{}`", split.skip_reason.empty() ? "" : "; ", skipped,
                                       skipped == 1 ? "row has" : "rows have", task.skipped_label);
    }
  }
};

Split read_records(const TaskInfo& task, const TaskFile& file, bool needs_label) {
  const bool csv = file.format == FileFormat::csv, json = file.format == FileFormat::jsonl;
  const TableFormat format = csv ? TableFormat::csv : json ? TableFormat::jsonl : TableFormat::tsv;
  RecordSpec spec = columns_of(task, format, needs_label ? LabelColumn::required : LabelColumn::optional);
  spec.strict = csv;
  spec.positions = file.positions;
  if (csv && !task.pair) spec.positions = {1, 0};
  RecordReader in(file.path, spec);
  Split split;
  Skips skips;
  std::vector<Cell> cells;
  for (auto status = in.next(cells); status != RecordReader::Status::end; status = in.next(cells)) {
    if (status == RecordReader::Status::short_row) {
      if (skips.short_rows++ == 0) skips.first_short = in.line();
      continue;
    }
    if (!task.skipped_label.empty() && cells.back().text == task.skipped_label) {
      ++skips.skipped;
      continue;
    }
    const Cell label = add_row(task, in, cells, split);
    if (split.labelled) set_label(task, label.text, in.where(), split.examples.back());
  }
  skips.report(task, split);
  split.repaired = in.repaired();
  return split;
}

Split read_label_text(const TaskInfo& task, const TaskFile& file) {
  LineReader in(file.path);
  Split split;
  for (std::string line; in.next(line);) {
    if (line.empty()) continue;
    const size_t space = line.find(' ');
    LL_CHECK(space != std::string::npos, "{}: expected a label, a space and a text", in.where());
    split.examples.push_back(
        text_example(task, std::string(strip(std::string_view(line).substr(space))), "", in.line()));
    set_label(task, line.substr(0, space), in.where(), split.examples.back());
  }
  split.repaired = in.repaired();
  return split;
}

Split read_split(const TaskInfo& task, const TaskFile& file, bool needs_label) {
  Split split =
      file.format == FileFormat::label_text ? read_label_text(task, file) : read_records(task, file, needs_label);
  split.file = file.path;
  LL_CHECK(!split.examples.empty(), "{} holds no example{}{}", file.path, split.skipped ? ": " : "", split.skip_reason);
  return split;
}

Split require_split(const TaskInfo& task, const std::string& folder, SplitName name, const char* what) {
  const auto file = find_task_file(task, folder, name);
  LL_CHECK(file.has_value(), "{} has no {} file of task {} ({})", folder, what, task.name, expected_files(task, name));
  return read_split(task, *file, name == SplitName::train || name == SplitName::dev);
}

}  // namespace

TextDataset load_task(const TaskInfo& task, const std::string& data_dir, const LoadOptions& options) {
  LL_CHECK(!task.files.empty(), "task text reads single files: give --train, --dev or --test");
  TextDataset data;
  data.task = task;
  const std::string folder = find_task_folder(task, data_dir);
  const auto dev = find_task_file(task, folder, SplitName::dev);
  const bool draws = options.dev_shots > 0;  // dev is another part of train, and dev's file is not read
  const bool carve = draws || (!dev && find_task_file(task, folder, SplitName::train));
  if (options.train || (options.dev && carve)) data.train = require_split(task, folder, SplitName::train, "train");
  // Carved whenever there is no dev file, so that train never depends on whether dev was asked for.
  if (carve && !draws && !data.train.examples.empty() && options.dev_fraction != 0)
    data.dev = carve_dev(data.train, options.dev_fraction, options.seed);
  if (options.dev && !carve) data.dev = require_split(task, folder, SplitName::dev, "dev");
  if (options.dev && !carve) {
    const auto mm = find_task_file(task, folder, SplitName::dev_mm);
    if (mm) data.dev_mm = read_split(task, *mm, true);
  }
  if (options.test) {
    data.test = require_split(task, folder, SplitName::test, "test");
    const auto mm = find_task_file(task, folder, SplitName::test_mm);
    if (mm) data.test_mm = read_split(task, *mm, false);
  }
  keep_wanted(data, options);
  return data;
}

}  // namespace lowland

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/data/dataset.h"
#include "apps/data/example_label.h"
#include "apps/data/records.h"
#include "apps/data/task_files.h"
#include "engine/error.h"

namespace lowland {
namespace {

// Rows left out, and why.
struct Skips {
  int64_t short_rows = 0, first_short = 0, no_gold = 0;

  void report(Split& split) const {
    split.skipped = short_rows + no_gold;
    if (short_rows > 0) {
      split.skip_reason = fmt::format("{} {} a column (first: line {})", short_rows,
                                      short_rows == 1 ? "row lacks" : "rows lack", first_short);
    }
    if (no_gold > 0) {
      split.skip_reason += fmt::format("{}{} {} gold label `-`", split.skip_reason.empty() ? "" : "; ", no_gold,
                                       no_gold == 1 ? "row has" : "rows have");
    }
  }
};

RecordSpec record_spec(const TaskInfo& task, FileFormat format, bool needs_label) {
  RecordSpec spec;
  spec.names = {task.text_column, task.label_column};
  if (task.pair) spec.names.insert(spec.names.begin() + 1, task.pair_column);
  spec.required = spec.names.size() - (needs_label ? 0 : 1);
  spec.strict = false;
  switch (format) {
    case FileFormat::cola:
      spec.header = Header::detect;
      spec.positions = {3, 1};
      break;
    case FileFormat::stsb_original:
      spec.header = Header::detect;
      spec.positions = {5, 6, 4};
      break;
    case FileFormat::csv:
      spec.format = TableFormat::csv;
      spec.strict = true;
      if (!task.pair) spec.header = Header::detect;
      spec.positions = {1, 0};
      break;
    case FileFormat::jsonl: spec.format = TableFormat::jsonl; break;
    default: break;
  }
  return spec;
}

Split read_records(const TaskInfo& task, const TaskFile& file, bool needs_label) {
  RecordReader in(file.path, record_spec(task, file.format, needs_label));
  const bool nli = task.name == "mnli" || task.name == "snli";
  Split split;
  Skips skips;
  std::vector<Cell> cells;
  const size_t last = task.pair ? 2 : 1;
  for (auto status = in.next(cells); status != RecordReader::Status::end; status = in.next(cells)) {
    if (status == RecordReader::Status::short_row) {
      if (skips.short_rows++ == 0) skips.first_short = in.line();
      continue;
    }
    const Cell& label = cells[last];
    if (nli && label.text == "-") {
      ++skips.no_gold;
      continue;
    }
    Example example;
    example.line = in.line();
    if (split.examples.empty()) split.labelled = !label.absent;
    LL_CHECK(split.labelled != label.absent, "{}: some rows have `{}` and some do not", in.where(), task.label_column);
    if (split.labelled) set_label(task, label.text, in.where(), example);
    if (!split.labelled) example.score = std::numeric_limits<double>::quiet_NaN();
    example.text_a = std::move(cells[0].text);
    example.has_pair = task.pair;
    if (task.pair) example.text_b = std::move(cells[1].text);
    split.examples.push_back(std::move(example));
  }
  skips.report(split);
  split.repaired = in.repaired();
  return split;
}

std::string strip(const std::string& text, size_t begin) {
  const char* spaces = " \t\v\f\r";
  begin = text.find_first_not_of(spaces, begin);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(spaces) + 1 - begin);
}

Split read_sent_conv(const TaskInfo& task, const TaskFile& file) {
  LineReader in(file.path);
  Split split;
  std::string line;
  while (in.next(line)) {
    if (line.empty()) continue;
    const size_t space = line.find(' ');
    LL_CHECK(space != std::string::npos, "{}: expected a label, a space and a text", in.where());
    Example example;
    example.line = in.line();
    set_label(task, line.substr(0, space), in.where(), example);
    example.text_a = strip(line, space);
    split.examples.push_back(std::move(example));
  }
  split.repaired = in.repaired();
  return split;
}

Split read_split(const TaskInfo& task, const TaskFile& file, bool needs_label) {
  Split split =
      file.format == FileFormat::sent_conv ? read_sent_conv(task, file) : read_records(task, file, needs_label);
  split.file = file.path;
  LL_CHECK(!split.examples.empty(), "{} holds no example{}{}", file.path, split.skipped ? ": " : "", split.skip_reason);
  return split;
}

Split require_split(const TaskInfo& task, const std::string& folder, SplitName name, const char* what) {
  const auto file = find_task_file(task, folder, name);
  LL_CHECK(file.has_value(), "{} has no {} file of task {} ({})", folder, what, task.name, expected_files(task, name));
  return read_split(task, *file, name == SplitName::train || name == SplitName::dev);
}

void keep_first(Split& split, int64_t n) {
  LL_CHECK(n >= 0, "a maximum number of samples cannot be negative, got {}", n);
  if (n > 0 && static_cast<int64_t>(split.examples.size()) > n) split.examples.resize(static_cast<size_t>(n));
}

}  // namespace

void set_label(const TaskInfo& task, const std::string& text, const std::string& where, Example& example) {
  if (task.regression) {
    const std::optional<double> score = parse_number(text);
    const bool bounded = task.min_score < task.max_score;
    LL_CHECK(score && std::isfinite(*score) && (!bounded || (*score >= task.min_score && *score <= task.max_score)),
             "{}: the score `{}` is not {}", where, text, task.describe_labels());
    example.score = *score;
    return;
  }
  example.label = task.find_label(text);
  LL_CHECK(example.label >= 0, "{}: label `{}` is not one of task {}: {}", where, text, task.name,
           task.describe_labels());
  example.label_name = task.labels[static_cast<size_t>(example.label)];
}

void check_carved(const TextDataset& data, const LoadOptions& options) {
  LL_CHECK(!options.dev || !data.dev.carved || !data.dev.examples.empty(),
           "{}: no label has two examples, so no dev split can be drawn; give a dev file", data.dev.file);
}

void apply_limits(TextDataset& data, const LoadOptions& options) {
  keep_first(data.train, options.max_train_samples);
  for (Split* split : {&data.dev, &data.test, &data.dev_mm, &data.test_mm})
    keep_first(*split, options.max_eval_samples);
}

TextDataset load_task(const TaskInfo& task, const std::string& data_dir, const LoadOptions& options) {
  LL_CHECK(task.name != "text", "task text reads single files: give --train, --dev or --test");
  TextDataset data;
  data.task = task;
  const std::string folder = find_task_folder(task, data_dir);
  const auto dev = find_task_file(task, folder, SplitName::dev);
  const bool carve = !dev && find_task_file(task, folder, SplitName::train);
  if (options.train || (options.dev && carve)) data.train = require_split(task, folder, SplitName::train, "train");
  // Carved whenever there is no dev file, so that train never depends on whether dev was asked for.
  if (carve && !data.train.examples.empty()) data.dev = carve_dev(data.train, options.dev_fraction, options.seed);
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
  check_carved(data, options);
  if (!options.train) data.train = {};
  if (!options.dev) data.dev = {};
  apply_limits(data, options);
  return data;
}

void remap_labels(TextDataset& data, const std::map<std::string, int>& label2id) {
  const TaskInfo mapped = remap_labels(data.task, label2id);
  std::vector<int> to(data.task.labels.size());
  for (size_t id = 0; id < to.size(); ++id) {
    const auto at = std::find(mapped.labels.begin(), mapped.labels.end(), data.task.labels[id]);
    to[id] = static_cast<int>(at - mapped.labels.begin());
  }
  for (Split* split : {&data.train, &data.dev, &data.test, &data.dev_mm, &data.test_mm}) {
    for (Example& e : split->examples) {
      if (e.label >= 0) e.label = to[static_cast<size_t>(e.label)];
    }
  }
  data.task = mapped;
}

}  // namespace lowland

#include <map>

#include "apps/data/examples.h"
#include "engine/error.h"
#include "models/chat/strip.h"

namespace lowland {
namespace {

struct RawSplit {
  Split split;
  std::vector<Cell> labels = {};  // beside split.examples
};

RawSplit read_raw(const std::string& path, const TaskInfo& columns, bool needs_label) {
  const LabelColumn label = needs_label ? LabelColumn::required : LabelColumn::optional;
  RecordSpec spec = columns_of(columns, table_format(path), label);
  spec.lists = columns.multi_label;
  RecordReader in(path, spec);
  RawSplit raw{.split = {.file = path}};
  std::vector<Cell> cells;
  while (in.next(cells) != RecordReader::Status::end) {
    const Cell& cell = raw.labels.emplace_back(add_row(columns, in, cells, raw.split));
    LL_CHECK(cell.absent || columns.multi_label || !cell.text.empty(), "{}: `{}` is empty", in.where(),
             columns.label_column);
  }
  LL_CHECK(!raw.labels.empty(), "{} holds no example", path);
  raw.split.repaired = in.repaired();
  return raw;
}

// Classes in id order, or none: a regression.
TaskInfo task_from(const RawSplit& train, bool pair, const std::string& problem_type) {
  bool numbers = true, integers = true;
  std::vector<std::string> spelled;
  const bool many = problem_type == "multi_label_classification";
  for (const Cell& label : train.labels) {
    if (many)
      for (const std::string& one : labels_in(label)) spelled.push_back(one);
    if (many) continue;
    numbers = numbers && !label.quoted && parse_number(label.text).has_value();
    integers = integers && parse_integer(label.text).has_value();
    spelled.push_back(label.text);
  }
  if (problem_type == "regression" || (problem_type.empty() && numbers && !integers)) return text_task({}, pair);
  const std::vector<std::string> labels = label_set(std::move(spelled));
  std::map<std::string_view, std::string_view> stripped;
  for (const std::string& label : labels) {
    const auto [at, first] = stripped.emplace(strip(label), label);
    LL_CHECK(first, "{}: the labels `{}` and `{}` differ in blanks only", train.split.file, at->second, label);
  }
  LL_CHECK(!labels.empty(), "{}: no row has a label", train.split.file);
  LL_CHECK(labels.size() >= 2, "{}: every row has the label `{}`; there must be at least two", train.split.file,
           labels[0]);
  return many ? multi_label_task(labels, pair) : text_task(labels, pair);
}

Split finish(const TaskInfo& task, RawSplit&& raw) {
  for (size_t i = 0; raw.split.labelled && i < raw.labels.size(); ++i) {
    Example& example = raw.split.examples[i];
    const std::string where = fmt::format("{}:{}", raw.split.file, example.line);
    if (task.multi_label)
      set_labels(task, raw.labels[i], where, example);
    else
      set_label(task, raw.labels[i].text, where, example);
  }
  return std::move(raw.split);
}

}  // namespace

TextDataset load_text(const TextFiles& files, const LoadOptions& options, const std::optional<TaskInfo>& known) {
  const bool draws = options.dev_shots > 0;
  const bool carve = (files.dev.empty() || draws) && !files.train.empty();
  LL_CHECK(!options.train || !files.train.empty(), "task text needs --train FILE");
  LL_CHECK(!options.dev || carve || !files.dev.empty(), "task text needs --dev FILE (or --train FILE to draw it from)");
  LL_CHECK(!options.test || !files.test.empty(), "task text needs --test FILE");
  const bool reads_train = options.train || (options.dev && carve) || (!known && !files.train.empty());
  LL_CHECK(known || reads_train, "the labels are not known: give --train FILE");
  TaskInfo columns{
      .text_column = files.text_column, .pair_column = files.pair_column, .label_column = files.label_column};
  columns.complete();
  columns.multi_label = known ? known->multi_label : files.problem_type == "multi_label_classification";
  TextDataset data;
  std::optional<RawSplit> train;
  if (reads_train) train = read_raw(files.train, columns, true);
  data.task = known ? *known : task_from(*train, columns.pair, files.problem_type);
  LL_CHECK(data.task.pair == columns.pair, "the model was trained on {}: {} --text-pair-column",
           data.task.pair ? "pairs of texts" : "single texts", data.task.pair ? "give" : "do not give");
  data.task.text_column = files.text_column;
  data.task.pair_column = files.pair_column;
  data.task.label_column = files.label_column;
  if (train) data.train = finish(data.task, std::move(*train));
  // Carved even if dev is not asked for, so that train does not depend on it.
  if (carve && !draws && train && options.dev_fraction != 0)
    data.dev = carve_dev(data.train, options.dev_fraction, options.seed);
  if (options.dev && !carve) data.dev = finish(data.task, read_raw(files.dev, columns, true));
  if (options.test) data.test = finish(data.task, read_raw(files.test, columns, false));
  keep_wanted(data, options);
  return data;
}

}  // namespace lowland

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "apps/data/dataset.h"
#include "apps/data/example_label.h"
#include "apps/data/records.h"
#include "engine/error.h"

namespace lowland {
namespace {

struct RawSplit {
  Split split;
  std::vector<Cell> labels;  // beside split.examples
};

RawSplit read_raw(const std::string& path, const TextFiles& files, bool needs_label) {
  RecordSpec spec;
  spec.format = table_format(path);
  const bool pair = !files.pair_column.empty();
  spec.names = {files.text_column};
  if (pair) spec.names.push_back(files.pair_column);
  spec.required = spec.names.size() + (needs_label ? 1 : 0);
  spec.names.push_back(files.label_column);
  RecordReader in(path, spec);
  RawSplit raw;
  raw.split.file = path;
  std::vector<Cell> cells;
  while (in.next(cells) != RecordReader::Status::end) {
    if (raw.labels.empty()) raw.split.labelled = !cells.back().absent;
    LL_CHECK(raw.split.labelled != cells.back().absent, "{}: some rows have `{}` and some do not", in.where(),
             files.label_column);
    LL_CHECK(cells.back().absent || !cells.back().text.empty(), "{}: `{}` is empty", in.where(), files.label_column);
    Example example;
    example.line = in.line();
    example.text_a = std::move(cells[0].text);
    example.has_pair = pair;
    if (pair) example.text_b = std::move(cells[1].text);
    raw.split.examples.push_back(std::move(example));
    raw.labels.push_back(std::move(cells.back()));
  }
  LL_CHECK(!raw.labels.empty(), "{} holds no example", path);
  raw.split.repaired = in.repaired();
  return raw;
}

bool is_integer_literal(const std::string& text) { return text.find_first_not_of("+-0123456789") == std::string::npos; }

// Classes in id order, or none: a regression.
TaskInfo task_from(const RawSplit& train, const TextFiles& files) {
  bool numbers = true, integers = true;
  for (const Cell& label : train.labels) {
    numbers = numbers && !label.quoted && parse_number(label.text).has_value();
    integers = integers && is_integer_literal(label.text);
  }
  std::vector<std::string> labels;
  if (!numbers || integers) {
    for (const Cell& label : train.labels) labels.push_back(label.text);
    sort_labels(labels);
    labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
    LL_CHECK(labels.size() >= 2, "{}: every row has the label `{}`; there must be at least two", train.split.file,
             labels[0]);
  }
  return text_task(labels, !files.pair_column.empty());
}

Split finish(const TaskInfo& task, RawSplit&& raw) {
  for (size_t i = 0; i < raw.labels.size(); ++i) {
    Example& example = raw.split.examples[i];
    if (raw.split.labelled) {
      set_label(task, raw.labels[i].text, fmt::format("{}:{}", raw.split.file, example.line), example);
    } else {
      example.score = std::numeric_limits<double>::quiet_NaN();
    }
  }
  return std::move(raw.split);
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

TextDataset load_text(const TextFiles& files, const LoadOptions& options, const std::optional<TaskInfo>& known) {
  const bool carve = files.dev.empty() && !files.train.empty();
  LL_CHECK(!options.train || !files.train.empty(), "task text needs --train FILE");
  LL_CHECK(!options.dev || carve || !files.dev.empty(), "task text needs --dev FILE (or --train FILE to draw it from)");
  LL_CHECK(!options.test || !files.test.empty(), "task text needs --test FILE");
  const bool reads_train = options.train || (options.dev && carve) || (!known && !files.train.empty());
  LL_CHECK(known || reads_train, "the labels are not known: give --train FILE");
  TextDataset data;
  std::optional<RawSplit> train;
  if (reads_train) train = read_raw(files.train, files, true);
  data.task = known ? *known : task_from(*train, files);
  LL_CHECK(data.task.pair == !files.pair_column.empty(), "the model was trained on {}: {} --text-pair-column",
           data.task.pair ? "pairs of texts" : "single texts", data.task.pair ? "give" : "do not give");
  data.task.text_column = files.text_column;
  data.task.pair_column = files.pair_column;
  data.task.label_column = files.label_column;
  if (train) data.train = finish(data.task, std::move(*train));
  // Carved even if dev is not asked for, so that train does not depend on it.
  if (carve && train) data.dev = carve_dev(data.train, options.dev_fraction, options.seed);
  if (options.dev && !carve) data.dev = finish(data.task, read_raw(files.dev, files, true));
  if (options.test) data.test = finish(data.task, read_raw(files.test, files, false));
  check_carved(data, options);
  if (!options.train) data.train = {};
  if (!options.dev) data.dev = {};
  apply_limits(data, options);
  return data;
}

}  // namespace lowland

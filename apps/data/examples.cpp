#include "apps/data/examples.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "apps/data/hold_out.h"
#include "apps/data/order.h"
#include "engine/error.h"
#include "models/chat/strip.h"

namespace lowland {

RecordSpec columns_of(const TaskInfo& task, TableFormat format, LabelColumn label) {
  RecordSpec spec{.format = format, .names = {task.text_column}};
  if (task.pair) spec.names.push_back(task.pair_column);
  spec.required = spec.names.size() + (label == LabelColumn::required ? 1 : 0);
  if (label != LabelColumn::none) spec.names.push_back(task.label_column);
  return spec;
}

Example text_example(const TaskInfo& task, std::string a, std::string b, int64_t line) {
  return {.text_a = std::move(a), .text_b = std::move(b), .has_pair = task.pair, .line = line};
}

Cell add_row(const TaskInfo& task, const RecordReader& in, std::vector<Cell>& cells, Split& split) {
  Cell label = std::move(cells.back());
  if (split.examples.empty()) split.labelled = !label.absent;
  LL_CHECK(split.labelled != label.absent, "{}: some rows have `{}` and some do not", in.where(), task.label_column);
  std::string b = task.pair ? std::move(cells[1].text) : std::string();
  split.examples.push_back(text_example(task, std::move(cells[0].text), std::move(b), in.line()));
  return label;
}

std::optional<double> parse_number(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

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
  example.label_name = task.labels[example.label];
}

void set_labels(const TaskInfo& task, const Cell& cell, const std::string& where, Example& example) {
  for (const std::string& label : labels_in(cell)) {
    const int id = task.find_label(label);
    LL_CHECK(id >= 0, "{}: label `{}` is not one of task {}: {}", where, label, task.name, task.describe_labels());
    example.classes.push_back(id);
  }
  std::sort(example.classes.begin(), example.classes.end());
  example.classes.erase(std::unique(example.classes.begin(), example.classes.end()), example.classes.end());
  for (const int id : example.classes) example.label_name += (example.label_name.empty() ? "" : ", ") + task.labels[id];
}

std::vector<std::string> labels_in(const Cell& cell) {
  std::vector<std::string> out = cell.items;
  for (size_t begin = 0; !cell.list && begin < cell.text.size();) {
    const size_t end = std::min(cell.text.find(',', begin), cell.text.size());
    out.emplace_back(strip(cell.text.substr(begin, end - begin)));
    begin = end + 1;
  }
  std::erase_if(out, [](const std::string& label) { return label.empty(); });
  return out;
}

Split carve_dev(Split& train, double fraction, uint64_t seed) {
  std::vector<int> labels;
  for (const Example& e : train.examples) labels.push_back(e.label);
  Split dev{.file = train.file, .carved = true};
  dev.examples = move_marked(train.examples, draw_by_label(labels, fraction, seed));
  return dev;
}

namespace {

void need_classes(const TextDataset& data, const char* flag) {
  LL_CHECK(!data.task.regression && !data.task.multi_label, "--{} is for tasks of one class each", flag);
}

// Of each class in an order drawn by the seed the first `shots` stay (0: all), and of those behind them `dev_shots` are
// dev; where there are not so many of a class, half of it is. All in file order.
void draw_shots(TextDataset& data, const LoadOptions& options) {
  std::vector<Example>& examples = data.train.examples;
  std::map<int, int64_t> left, taken, taken_dev;
  for (const Example& e : examples) ++left[e.label];
  std::vector<bool> kept(examples.size(), false), dev(examples.size(), false);
  for (const int64_t i : shuffled(std::ssize(examples), options.seed, 0, OrderStream::shots)) {
    const int label = examples[i].label;
    const int64_t most = std::min(options.dev_shots, left[label] / 2);
    const int64_t shots = options.shots > 0 ? std::min(options.shots, left[label] - most) : left[label] - most;
    if (taken[label] < shots) {
      kept[i] = true;
      ++taken[label];
    } else if (taken_dev[label] < most) {
      dev[i] = true;
      ++taken_dev[label];
    }
  }
  if (options.dev_shots > 0) {
    data.dev = {.file = data.train.file, .carved = true};
    for (size_t i = 0; i < examples.size(); ++i)
      if (dev[i]) data.dev.examples.push_back(examples[i]);
  }
  examples = move_marked(examples, kept);
}

// `most` of them, in file order, whatever the run's seed: files that are sorted by label have all of them in it.
void keep_drawn(std::vector<Example>& examples, int64_t most) {
  std::vector<bool> kept(examples.size(), false);
  const std::vector<int64_t> order = shuffled(std::ssize(examples), 0, 1, OrderStream::shots);
  for (int64_t i = 0; i < std::ssize(order); ++i) kept[order[i]] = most == 0 || i < most;
  examples = move_marked(examples, kept);
}

void mislabel(const TaskInfo& task, std::vector<Example>& examples, double share, uint64_t seed) {
  const std::vector<int64_t> order = shuffled(std::ssize(examples), seed, 0, OrderStream::label_noise);
  const PhiloxKey key = philox_key(seed, 1, static_cast<uint64_t>(OrderStream::label_noise));
  const auto wrong = std::llround(share * static_cast<double>(examples.size()));
  for (int64_t i = 0; i < wrong; ++i) {
    Example& e = examples[order[i]];
    const auto others = static_cast<uint32_t>(task.num_labels - 1);
    const uint32_t draw = philox(key, static_cast<uint32_t>(order[i]), 0, 0, 0).v[0] % others;
    e.label = static_cast<int>((static_cast<uint32_t>(e.label) + 1 + draw) % (others + 1));
    e.label_name = task.labels[e.label];
  }
}

}  // namespace

void keep_wanted(TextDataset& data, const LoadOptions& options) {
  LL_CHECK(options.shots >= 0 && options.dev_shots >= 0, "--shots and --dev-shots must be at least 0, got {} and {}",
           options.shots, options.dev_shots);
  if (options.shots > 0 || options.dev_shots > 0) {
    need_classes(data, options.shots > 0 ? "shots" : "dev-shots");
    draw_shots(data, options);
  }
  LL_CHECK(!options.dev || !data.dev.carved || !data.dev.examples.empty(),
           "{}: no label has two examples, so no dev split can be drawn; give a dev file", data.dev.file);
  if (!options.train) data.train = {};
  if (!options.dev) data.dev = {};
  LL_CHECK(options.label_noise >= 0 && options.label_noise <= 1, "--label-noise must be in [0, 1], got {}",
           options.label_noise);
  keep_first(data.train.examples, options.max_train_samples);
  if (options.label_noise > 0) {
    need_classes(data, "label-noise");
    mislabel(data.task, data.train.examples, options.label_noise, options.seed);
  }
  for (Split* split : {&data.dev, &data.test, &data.dev_mm, &data.test_mm}) {
    if (options.draw_eval_samples) keep_drawn(split->examples, options.max_eval_samples);
    keep_first(split->examples, options.max_eval_samples);
  }
}

void remap_labels(TextDataset& data, const std::map<std::string, int>& label2id) {
  const TaskInfo mapped = remap_labels(data.task, label2id);
  std::vector<int> to;
  for (const std::string& label : data.task.labels) {
    const auto at = std::find(mapped.labels.begin(), mapped.labels.end(), label);
    to.push_back(static_cast<int>(at - mapped.labels.begin()));
  }
  for (Split* split : {&data.train, &data.dev, &data.test, &data.dev_mm, &data.test_mm}) {
    for (Example& e : split->examples) {
      if (e.label >= 0) e.label = to[e.label];
      for (int& id : e.classes) id = to[id];
      std::sort(e.classes.begin(), e.classes.end());
    }
  }
  data.task = mapped;
}

}  // namespace lowland

#include "apps/objectives/classification.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/common/progress.h"
#include "apps/data/examples.h"
#include "apps/metrics/class_report.h"
#include "apps/metrics/metrics.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "models/hub/target_match.h"

namespace lowland::apps {
namespace {

const TextModel& text_model(const nn::Model& model) { return static_cast<const TextModel&>(model); }

std::vector<nn::Segment> segments_of(const TextModel& model, const TokenizedSplit& tokens,
                                     const std::vector<int64_t>& which, int64_t first) {
  std::vector<nn::Segment> segments;
  for (const int64_t i : which) {
    const int32_t row = tokens.rows.empty() ? model.head_row(tokens.ids[i].size()) : tokens.rows[i];
    segments.push_back({tokens.ids[i], first++, {row}, tokens.types[i]});
  }
  return segments;
}

double example_loss(const TaskInfo& task, const Example& e, const std::vector<double>& outputs) {
  if (task.multi_label) {  // the mean over the labels, as BCEWithLogitsLoss has it
    double loss = 0;
    for (size_t k = 0; k < outputs.size(); ++k) {
      const bool has = std::count(e.classes.begin(), e.classes.end(), static_cast<int>(k)) > 0;
      loss += std::max(outputs[k], 0.0) - (has ? outputs[k] : 0.0) + std::log1p(std::exp(-std::abs(outputs[k])));
    }
    return loss / static_cast<double>(outputs.size());
  }
  if (task.regression) return (outputs[0] - e.score) * (outputs[0] - e.score);
  const double top = *std::max_element(outputs.begin(), outputs.end());
  double sum = 0;
  for (const double o : outputs) sum += std::exp(o - top);
  return top + std::log(sum) - outputs[static_cast<size_t>(e.label)];
}

// Each process has the outputs of its batches: all have all afterwards.
void share_outputs(std::vector<std::vector<double>>& outputs, dist::Communicator& ranks) {
  int64_t width = 0;
  for (const auto& row : outputs) width = std::max(width, std::ssize(row));
  ranks.all_reduce(&width, 1, DType::i64, dist::Reduce::max, "evaluation");
  std::vector<double> all(std::ssize(outputs) * width);
  for (int64_t i = 0; i < std::ssize(outputs); ++i)
    std::copy(outputs[i].begin(), outputs[i].end(), all.begin() + i * width);
  ranks.all_reduce(all, "evaluation");
  for (int64_t i = 0; i < std::ssize(outputs); ++i)
    outputs[i] = {all.begin() + i * width, all.begin() + (i + 1) * width};
}

// A label whose logit is above 0 is predicted: its probability is above one half.
void score_labels(const TaskInfo& task, const Split& split, const std::vector<std::vector<double>>& outputs,
                  const std::string& suffix, Evaluation& e) {
  std::vector<std::vector<int>> predicted, labels;
  for (size_t i = 0; i < outputs.size(); ++i) {
    labels.push_back(split.examples[i].classes);
    std::vector<int>& ids = predicted.emplace_back();
    for (size_t k = 0; k < outputs[i].size(); ++k)
      if (outputs[i][k] > 0) ids.push_back(static_cast<int>(k));
  }
  const MultiLabelReport report = multi_label_report(predicted, labels, task.num_labels);
  e.metrics["eval_micro_f1" + suffix] = e.score = report.micro_f1;
  e.metrics["eval_macro_f1" + suffix] = report.macro_f1;
  e.metrics["eval_subset_accuracy" + suffix] = report.subset_accuracy;
  e.detail = report.to_json(task.labels, suffix);
}

// eval_loss and the task's metrics, with a suffix on every name.
Evaluation evaluate_examples(const TextModel& model, const TaskInfo& task, const Split& split,
                             const TokenizedSplit& tokens, int64_t batch_size, const std::string& suffix,
                             const std::function<void(int64_t, int64_t)>& on_progress, dist::Communicator* ranks) {
  LL_CHECK(split.labelled, "{} has no labels: use predict", split.file);
  const std::vector<std::vector<double>> outputs = predict_outputs(model, tokens, batch_size, on_progress, ranks);
  double loss = 0;
  std::vector<double> flat;
  for (size_t i = 0; i < outputs.size(); ++i) {
    loss += example_loss(task, split.examples[i], outputs[i]);
    flat.insert(flat.end(), outputs[i].begin(), outputs[i].end());
  }
  Evaluation e;
  e.metrics["eval_loss" + suffix] = outputs.empty() ? 0.0 : loss / static_cast<double>(outputs.size());
  e.score_name = task.primary_metric;
  if (task.multi_label) {
    score_labels(task, split, outputs, suffix, e);
    return e;
  }
  const MetricResult result = compute_metrics(task, flat, split.examples);
  e.score = std::nan("");  // where it is undefined
  for (const Metric& m : result.values) {
    e.metrics["eval_" + m.name + suffix] = m.value ? nlohmann::ordered_json(*m.value) : nlohmann::ordered_json(nullptr);
    if (m.name == task.primary_metric && m.value) e.score = *m.value;
  }
  if (!task.regression) {
    std::vector<int> labels;
    for (const Example& example : split.examples) labels.push_back(example.label);
    e.detail = class_report(argmax_rows(flat, task.num_labels), labels, task.num_labels).to_json(task.labels, suffix);
  }
  const std::string warning = result.warning(task);
  if (!warning.empty()) say("warning: " + warning);
  return e;
}

}  // namespace

std::vector<double> class_weights_of(const std::string& text, const TaskInfo& task, const std::vector<Example>& train) {
  if (text.empty()) return {};
  LL_CHECK(!task.regression && !task.multi_label, "--class-weights {}: the task has no classes of which one is right",
           text);
  std::vector<double> weights(task.num_labels, 0);
  if (text == "balanced") {
    for (const Example& e : train) weights[e.label] += 1;
    for (double& w : weights)
      if (w > 0) w = static_cast<double>(train.size()) / (static_cast<double>(task.num_labels) * w);
    return weights;
  }
  const std::vector<std::string> parts = split_names(text);
  LL_CHECK(std::ssize(parts) == task.num_labels, "--class-weights {}: there are {} classes: {}", text, task.num_labels,
           task.describe_labels());
  for (size_t k = 0; k < parts.size(); ++k) {
    const std::optional<double> value = parse_number(parts[k]);
    LL_CHECK(value && std::isfinite(*value) && *value >= 0, "--class-weights {}: `{}` is no weight", text, parts[k]);
    weights[k] = *value;
  }
  LL_CHECK(std::any_of(weights.begin(), weights.end(), [](double w) { return w > 0; }), "--class-weights {}: all are 0",
           text);
  return weights;
}

TokenizedSplit tokenize(const Tokenizer& tokenizer, const std::vector<Example>& examples, int64_t max_length,
                        const std::string& name, const Prompt* prompt) {
  TokenizedSplit out;
  out.ids.reserve(examples.size());
  const std::unique_ptr<Tokenizer::Scratch> scratch = tokenizer.make_scratch();
  const EncodeOptions text_only{false};  // text never makes a special token
  std::vector<int32_t> a, b;
  for (const Example& e : examples) {
    std::vector<int32_t>& ids = out.ids.emplace_back();
    std::vector<int32_t>& types = out.types.emplace_back();
    if (prompt != nullptr) {
      Prompt::Tokens filled = prompt->tokens(e, max_length);
      ids = std::move(filled.ids);
      types = std::move(filled.types);
      out.rows.push_back(filled.mask);
      out.truncated += filled.cut ? 1 : 0;
    } else {
      a.clear();
      b.clear();
      tokenizer.encode(e.text_a, text_only, *scratch, a);
      std::optional<std::span<const int32_t>> pair;
      if (e.has_pair) {
        tokenizer.encode(e.text_b, text_only, *scratch, b);
        pair = b;
      }
      out.truncated += tokenizer.build_inputs(a, pair, max_length, ids, &types) > 0 ? 1 : 0;
    }
    LL_CHECK(!ids.empty(),
             "{}, line {}: the text is empty, and the tokenizer puts no token around it: there is nothing to read",
             name, e.line);
    if (std::all_of(types.begin(), types.end(), [](int32_t t) { return t == 0; })) types = {};
    out.lengths.push_back(static_cast<int32_t>(ids.size()));
  }
  if (out.truncated > 0)
    say(fmt::format("{}: {} of {} examples are longer than {} tokens and are cut", name, out.truncated, out.ids.size(),
                    max_length));
  return out;
}

std::vector<std::vector<double>> predict_outputs(const TextModel& model, const TokenizedSplit& split,
                                                 int64_t batch_size,
                                                 const std::function<void(int64_t, int64_t)>& on_progress,
                                                 dist::Communicator* ranks) {
  const NoGrad guard(model.context());
  const auto n = static_cast<int64_t>(split.ids.size());
  std::vector<std::vector<double>> out(n);
  // Longest first: batches of like length, and the largest memory at the start.
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return split.lengths[a] > split.lengths[b]; });
  for (int64_t begin = 0; begin < n; begin += batch_size) {
    if (ranks == nullptr || begin / batch_size % ranks->world() == ranks->rank().index) {
      const std::vector<int64_t> examples(order.begin() + begin, order.begin() + std::min(n, begin + batch_size));
      const nn::Rows rows = nn::pack(model.context(), segments_of(model, split, examples, 0));
      const Tensor y = model.forward(rows, nn::Mode::evaluation());  // (S, labels)
      const std::vector<double> values = y.to(DType::f64).to_vector<double>();
      const int64_t labels = y.dim(1);
      for (size_t i = 0; i < examples.size(); ++i)
        out[examples[i]] = {values.begin() + i * labels, values.begin() + (i + 1) * labels};
    }
    if (on_progress) on_progress(std::min(n, begin + batch_size), n);
  }
  if (ranks != nullptr) share_outputs(out, *ranks);
  return out;
}

Classification::Classification(const Tokenizer& tokenizer, const TextDataset& data, int64_t max_length,
                               double label_smoothing, std::vector<double> class_weights, const Prompt* prompt)
    : data_(data),
      label_smoothing_(label_smoothing),
      class_weights_(std::move(class_weights)),
      train_(tokenize(tokenizer, data.train.examples, max_length, "train", prompt)),
      dev_(tokenize(tokenizer, data.dev.examples, max_length, "dev", prompt)),
      test_(tokenize(tokenizer, data.test.examples, max_length, "test", prompt)),
      dev_mm_(tokenize(tokenizer, data.dev_mm.examples, max_length, "dev_mm", prompt)),
      test_mm_(tokenize(tokenizer, data.test_mm.examples, max_length, "test_mm", prompt)) {}

const TokenizedSplit& Classification::tokens(DataSplit split) const {
  return split == DataSplit::train ? train_ : split == DataSplit::dev ? dev_ : test_;
}

const Split& Classification::examples(DataSplit split) const {
  return split == DataSplit::train ? data_.train : split == DataSplit::dev ? data_.dev : data_.test;
}

PackedBatch Classification::pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                                 const Place& place) const {
  Context& context = model.context();
  const std::vector<Example>& all = examples(split).examples;
  const std::vector<nn::Segment> segments = segments_of(text_model(model), tokens(split), which, place.first);
  PackedBatch batch;
  if (data_.task.regression) {
    std::vector<double> scores;
    for (const int64_t e : which) scores.push_back(all[e].score);
    batch.rows = nn::pack(context, segments, context.captures_steps() ? nn::Pack::bucketed_tokens : nn::Pack::exact);
    batch.target_count = static_cast<int64_t>(which.size());
    batch.targets = Tensor::empty(context, {batch.target_count}, DType::f32);
    batch.targets.assign(scores);
  } else if (data_.task.multi_label) {
    const int64_t L = data_.task.num_labels;
    batch = pack_batch(context, segments, std::vector<int32_t>(which.size()));
    std::vector<int32_t> targets(which.size() * L);  // 1 where the example has the label
    for (size_t i = 0; i < which.size(); ++i)
      for (const int id : all[which[i]].classes) targets[i * L + id] = 1;
    batch.target_count = std::ssize(targets);
    targets.resize(batch.rows.K * L, -100);
    batch.targets = Tensor::from<int32_t>(context, {batch.rows.K * L}, targets);
  } else {
    std::vector<int32_t> labels;
    for (const int64_t e : which) labels.push_back(all[e].label);
    batch = pack_batch(context, segments, labels);
    if (!class_weights_.empty()) {  // class by class: the rows that are of it
      const int64_t K = batch.rows.K;
      std::vector<int32_t> targets(data_.task.num_labels * K, -100);
      for (size_t i = 0; i < labels.size(); ++i) {
        targets[labels[i] * K + i] = labels[i];
        batch.weight += class_weights_[labels[i]];
      }
      batch.targets = Tensor::from<int32_t>(context, {std::ssize(targets)}, targets);
    }
  }
  batch.examples = which;
  return batch;
}

Tensor Classification::loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode,
                            double scale) const {
  const Tensor outputs = text_model(model).forward(batch.rows, mode);         // (S, labels)
  if (data_.task.regression) return ops::mse(outputs, batch.targets, scale);  // (1)
  CrossEntropyOptions options;
  options.scale = scale;
  if (data_.task.multi_label) {  // -log of sigmoid(x) or 1 - sigmoid(x): softmax's of (0, x)
    const Tensor beside = Tensor::empty(model.context(), {1, 2}, outputs.dtype());
    beside.assign<double>({0, 1});
    return ops::cross_entropy(ops::matmul(outputs.reshape({outputs.numel(), 1}), beside), batch.targets, options);
  }
  Tensor sum;  // (1)
  for (size_t k = 0; k < class_weights_.size(); ++k) {
    if (class_weights_[k] == 0) continue;
    options.scale = scale * class_weights_[k];
    const int64_t K = outputs.dim(0);
    const auto first = static_cast<int64_t>(k) * K;
    const Tensor of_class = ops::cross_entropy(outputs, batch.targets.slice_rows(first, first + K), options);
    sum = sum ? ops::add(sum, of_class) : of_class;
  }
  if (sum) return sum;
  options.label_smoothing = mode.training ? label_smoothing_ : 0;
  return ops::cross_entropy(outputs, batch.targets, options);  // (1)
}

Evaluation Classification::evaluate(const nn::Model& model, DataSplit split, const BatchSettings& batch) const {
  Evaluation e = evaluate_examples(text_model(model), data_.task, examples(split), tokens(split), batch.batch_size, "",
                                   on_progress, ranks);
  const bool dev = split == DataSplit::dev;
  const Split& other = dev ? data_.dev_mm : data_.test_mm;
  if (split != DataSplit::train && !other.examples.empty()) {
    const Evaluation more = evaluate_examples(text_model(model), data_.task, other, dev ? dev_mm_ : test_mm_,
                                              batch.batch_size, "_mm", on_progress, ranks);
    e.metrics.update(more.metrics);
    if (!more.detail.is_null()) e.detail.update(more.detail);
  }
  return e;
}

std::vector<std::string> Classification::score_names() const {
  std::vector<std::string> names = data_.task.metrics;
  names.push_back("loss");
  return names;
}

int64_t Classification::head_dim(const nn::Model& model) const { return text_model(model).head_dim(); }

}  // namespace lowland::apps

#include "apps/roberta/classification.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/common/progress.h"
#include "apps/common/trainer.h"
#include "apps/metrics/metrics.h"
#include "engine/autograd.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

BatchOptions batch_options(const Settings& s) {
  return {s.batch_size, s.grad_accum, static_cast<uint64_t>(s.seed), true};
}

std::vector<nn::Segment> segments_of(const TokenizedSplit& tokens, const std::vector<int64_t>& examples,
                                     int64_t first) {
  std::vector<nn::Segment> segments;
  for (size_t i = 0; i < examples.size(); ++i)
    segments.push_back({tokens.ids[static_cast<size_t>(examples[i])], first + static_cast<int64_t>(i), {0}});
  return segments;
}

}  // namespace

void report_truncation(const std::string& split, const TokenizedSplit& tokens, int64_t max_length) {
  if (tokens.truncated > 0)
    say(fmt::format("{}: {} of {} examples are longer than {} tokens and are cut", split, tokens.truncated,
                    tokens.ids.size(), max_length));
}

std::vector<int32_t> TokenizedSplit::lengths() const {
  std::vector<int32_t> out;
  for (const auto& i : ids) out.push_back(static_cast<int32_t>(i.size()));
  return out;
}

TokenizedSplit tokenize(const Tokenizer& tokenizer, const std::vector<Example>& examples, int64_t max_length) {
  TokenizedSplit out;
  out.ids.reserve(examples.size());
  const std::unique_ptr<Tokenizer::Scratch> scratch = tokenizer.make_scratch();
  const EncodeOptions text_only{false};  // text never makes a special token
  std::vector<int32_t> a, b;
  for (const Example& e : examples) {
    a.clear();
    b.clear();
    tokenizer.encode(e.text_a, text_only, *scratch, a);
    std::optional<std::span<const int32_t>> pair;
    if (e.has_pair) {
      tokenizer.encode(e.text_b, text_only, *scratch, b);
      pair = b;
    }
    std::vector<int32_t>& ids = out.ids.emplace_back();
    out.truncated += tokenizer.build_inputs(a, pair, max_length, ids) > 0 ? 1 : 0;
  }
  return out;
}

int64_t longest(const Settings& settings, const Roberta& model) {
  return std::min(settings.max_length, model.max_length());
}

std::vector<std::vector<double>> predict_outputs(const Roberta& model, const TokenizedSplit& split,
                                                 int64_t batch_size) {
  const NoGrad guard(model.context());
  const auto n = static_cast<int64_t>(split.ids.size());
  std::vector<std::vector<double>> out(static_cast<size_t>(n));
  // Longest first: batches of like length, and the largest memory at the start.
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return split.ids[static_cast<size_t>(a)].size() > split.ids[static_cast<size_t>(b)].size();
  });
  for (int64_t begin = 0; begin < n; begin += batch_size) {
    const std::vector<int64_t> examples(order.begin() + begin, order.begin() + std::min(n, begin + batch_size));
    const nn::Rows rows = nn::pack(model.context(), segments_of(split, examples, 0));
    const Tensor y = model.forward(rows, nn::Mode::evaluation());  // (S, labels)
    const std::vector<double> values = y.to(DType::f64).to_vector<double>();
    const auto labels = static_cast<size_t>(y.dim(1));
    for (size_t i = 0; i < examples.size(); ++i)
      out[static_cast<size_t>(examples[i])] = {values.begin() + static_cast<std::ptrdiff_t>(i * labels),
                                               values.begin() + static_cast<std::ptrdiff_t>((i + 1) * labels)};
  }
  return out;
}

namespace {

double example_loss(const TaskInfo& task, const Example& e, const std::vector<double>& outputs) {
  if (task.regression) return (outputs[0] - e.score) * (outputs[0] - e.score);
  const double top = *std::max_element(outputs.begin(), outputs.end());
  double sum = 0;
  for (const double o : outputs) sum += std::exp(o - top);
  return top + std::log(sum) - outputs[static_cast<size_t>(e.label)];
}

}  // namespace

Evaluation evaluate_split(const Roberta& model, const TaskInfo& task, const Split& split, const TokenizedSplit& tokens,
                          int64_t batch_size, const std::string& suffix) {
  const std::vector<std::vector<double>> outputs = predict_outputs(model, tokens, batch_size);
  double loss = 0;
  std::vector<double> flat;
  for (size_t i = 0; i < outputs.size(); ++i) {
    loss += example_loss(task, split.examples[i], outputs[i]);
    flat.insert(flat.end(), outputs[i].begin(), outputs[i].end());
  }
  Evaluation e;
  e.metrics["eval_loss" + suffix] = outputs.empty() ? 0.0 : loss / static_cast<double>(outputs.size());
  const MetricResult result = compute_metrics(task, flat, split.examples);
  e.score_name = task.primary_metric;
  e.score = -1e300;  // an undefined metric never wins
  for (const Metric& m : result.values) {
    e.metrics["eval_" + m.name + suffix] = m.value ? nlohmann::ordered_json(*m.value) : nlohmann::ordered_json(nullptr);
    if (m.name == task.primary_metric && m.value) e.score = *m.value;
  }
  const std::string warning = result.warning(task);
  if (!warning.empty()) say("warning: " + warning);
  return e;
}

ClassificationWorkload::ClassificationWorkload(const Roberta& model, const Tokenizer& tokenizer,
                                               const TextDataset& data, const Settings& settings)
    : model_(model),
      data_(data),
      settings_(settings),
      train_(tokenize(tokenizer, data.train.examples, longest(settings, model))),
      dev_(tokenize(tokenizer, data.dev.examples, longest(settings, model))),
      dev_mm_(tokenize(tokenizer, data.dev_mm.examples, longest(settings, model))),
      plan_(train_.lengths(), batch_options(settings)) {
  report_truncation("train", train_, longest(settings, model));
  report_truncation("dev", dev_, longest(settings, model));
  report_truncation("dev_mm", dev_mm_, longest(settings, model));
}

PackedBatch ClassificationWorkload::pack(Context& context, const Split& split, const TokenizedSplit& tokens,
                                         const std::vector<int64_t>& examples, int64_t first_in_step) const {
  const std::vector<nn::Segment> segments = segments_of(tokens, examples, first_in_step);
  PackedBatch batch;
  if (data_.task.regression) {
    std::vector<double> scores;
    for (const int64_t e : examples) scores.push_back(split.examples[static_cast<size_t>(e)].score);
    batch.rows = nn::pack(context, segments, context.captures_steps() ? nn::Pack::bucketed_tokens : nn::Pack::exact);
    batch.target_count = static_cast<int64_t>(examples.size());
    batch.targets = Tensor::empty(context, {batch.target_count}, DType::f32);
    batch.targets.assign(scores);
  } else {
    std::vector<int32_t> labels;
    for (const int64_t e : examples) labels.push_back(split.examples[static_cast<size_t>(e)].label);
    batch = pack_batch(context, segments, std::move(labels));
  }
  batch.examples = examples;
  return batch;
}

std::vector<PackedBatch> ClassificationWorkload::step(int64_t index) {
  const int64_t epoch = index / steps_per_epoch();
  if (epoch != epoch_) {
    steps_.assign(static_cast<size_t>(steps_per_epoch()), {});
    for (MicroBatch& m : plan_.epoch(epoch)) steps_[static_cast<size_t>(m.step)].push_back(std::move(m));
    epoch_ = epoch;
  }
  std::vector<PackedBatch> batches;
  int64_t first = 0;
  for (const MicroBatch& m : steps_[static_cast<size_t>(index % steps_per_epoch())]) {
    batches.push_back(pack(model_.context(), data_.train, train_, m.examples, first));
    first += static_cast<int64_t>(m.examples.size());
  }
  return batches;
}

Tensor ClassificationWorkload::loss_of(const Roberta& model, const PackedBatch& batch, double smoothing,
                                       const nn::Mode& mode, double scale) const {
  const Tensor outputs = model.forward(batch.rows, mode);                     // (S, labels)
  if (data_.task.regression) return ops::mse(outputs, batch.targets, scale);  // (1)
  CrossEntropyOptions options;
  options.scale = scale;
  options.label_smoothing = smoothing;
  return ops::cross_entropy(outputs, batch.targets, options);  // (1)
}

Tensor ClassificationWorkload::loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const {
  return loss_of(model_, batch, mode.training ? settings_.label_smoothing : 0.0, mode, scale);
}

std::vector<PackedBatch> ClassificationWorkload::largest_step(Context& context, const Settings& s) const {
  const BatchPlan plan(train_.lengths(), batch_options(s));
  std::vector<PackedBatch> batches;
  for (const auto& which : plan.largest_step(total_steps(s, plan.steps_per_epoch())))
    batches.push_back(pack(context, data_.train, train_, which, 0));
  return batches;
}

PlanInput ClassificationWorkload::plan_input(
    const std::function<std::unique_ptr<Roberta>(const Settings&)>& make) const {
  PlanInput input;
  input.make = [this, make](const Settings& s) {
    auto model = make(s);
    const auto loss = [this, m = model.get()](const PackedBatch& batch, const nn::Mode& mode, double scale) {
      return loss_of(*m, batch, 0, mode, scale);
    };
    const auto step = [this, m = model.get(), s] { return largest_step(m->context(), s); };
    return PlannedModel{std::move(model), loss, step};
  };
  input.head_dim = model_.config().hidden_size / model_.config().num_attention_heads;
  return input;
}

std::optional<Evaluation> ClassificationWorkload::evaluate() {
  if (data_.dev.examples.empty()) return std::nullopt;
  Evaluation e = evaluate_split(model_, data_.task, data_.dev, dev_, settings_.batch_size);
  if (data_.dev_mm.examples.empty()) return e;
  const Evaluation mm = evaluate_split(model_, data_.task, data_.dev_mm, dev_mm_, settings_.batch_size, "_mm");
  for (const auto& [name, value] : mm.metrics.items()) e.metrics[name] = value;
  return e;
}

std::vector<PackedBatch> ClassificationWorkload::batches_of(const std::string& split, int64_t count) const {
  LL_CHECK(split == "train" || split == "dev", "probes run on train or dev, not on {}", split);
  const bool train = split == "train";
  const Split& from = train ? data_.train : data_.dev;
  const int64_t n = std::min(count, static_cast<int64_t>(from.examples.size()));
  std::vector<PackedBatch> batches;
  for (const auto& examples : BatchPlan::in_order(n, settings_.batch_size))
    batches.push_back(pack(model_.context(), from, train ? train_ : dev_, examples, examples.front()));
  return batches;
}

std::vector<PackedBatch> ClassificationWorkload::probe_batches() { return batches_of("train", 256); }

}  // namespace lowland::apps

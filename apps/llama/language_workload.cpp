#include "apps/llama/language_workload.h"

#include <algorithm>
#include <cmath>

#include "apps/common/trainer.h"
#include "engine/autograd.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

Tensor loss_of(const Llama& model, const PackedBatch& batch, const nn::Mode& mode, double scale, double smoothing) {
  LinearCrossEntropyOptions options;
  options.scale = scale;
  options.label_smoothing = smoothing;
  const Tensor x = model.embed(batch.rows.ids);                                  // (N, C)
  return model.loss(model.decode(x, batch.rows, mode), batch.targets, options);  // (1)
}

}  // namespace

PackedBatch pack_examples(Context& context, const LanguageSplit& split, const std::vector<int64_t>& which,
                          int64_t first) {
  std::vector<int32_t> targets;
  const std::vector<nn::Segment> segments = segments_of(split, which, first, targets);
  PackedBatch batch = pack_batch(context, segments, std::move(targets));
  batch.examples = which;
  return batch;
}

Evaluation evaluate_language(const Llama& model, const LanguageSplit& split, const Settings& settings) {
  const NoGrad guard(model.context());
  double sum = 0;
  int64_t targets = 0;
  const std::vector<int64_t> all = first_examples(split, static_cast<int64_t>(split.examples.size()));
  for (const auto& which : micro_batches(split, all, settings.batch_size, settings.batch_tokens)) {
    const PackedBatch batch = pack_examples(model.context(), split, which, 0);
    sum += loss_of(model, batch, nn::Mode::evaluation(), 1.0, 0).item();
    targets += batch.target_count;
  }
  LL_CHECK(targets > 0, "there is no token to evaluate on");
  const double mean = sum / static_cast<double>(targets);
  Evaluation e;
  e.metrics["eval_loss"] = mean;
  e.metrics["eval_perplexity"] = std::exp(mean);
  e.metrics["eval_tokens"] = targets;
  e.score_name = "loss";
  e.score = -mean;
  return e;
}

LanguageWorkload::LanguageWorkload(const Llama& model, LanguageSplit train, LanguageSplit dev, const Settings& settings)
    : model_(model),
      settings_(settings),
      train_(std::move(train)),
      dev_(std::move(dev)),
      plan_(train_.lengths(), {settings.batch_size, settings.grad_accum, static_cast<uint64_t>(settings.seed), true}) {}

std::vector<PackedBatch> LanguageWorkload::step(int64_t index) {
  std::vector<PackedBatch> batches;
  int64_t first = 0;
  for (const auto& which : micro_batches(train_, plan_.examples(index), settings_.batch_size, settings_.batch_tokens)) {
    batches.push_back(pack_examples(model_.context(), train_, which, first));
    first += static_cast<int64_t>(which.size());
  }
  return batches;
}

Tensor LanguageWorkload::loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const {
  return loss_of(model_, batch, mode, scale, mode.training ? settings_.label_smoothing : 0);
}

std::vector<PackedBatch> LanguageWorkload::largest_step(Context& context, const Settings& s) const {
  const BatchPlan plan(train_.lengths(), {s.batch_size, s.grad_accum, static_cast<uint64_t>(s.seed), true});
  const auto cut = [&](const std::vector<int64_t>& step) {
    return micro_batches(train_, step, s.batch_size, s.batch_tokens);
  };
  std::vector<PackedBatch> batches;
  for (const auto& which : plan.largest_step(total_steps(s, plan.steps_per_epoch()), cut))
    batches.push_back(pack_examples(context, train_, which, 0));
  return batches;
}

PlanInput LanguageWorkload::plan_input(const std::function<std::unique_ptr<Llama>(const Settings&)>& make) const {
  PlanInput input;
  input.make = [this, make](const Settings& s) {
    auto model = make(s);
    const auto loss = [m = model.get()](const PackedBatch& batch, const nn::Mode& mode, double scale) {
      return loss_of(*m, batch, mode, scale, 0);
    };
    const auto step = [this, m = model.get(), s] { return largest_step(m->context(), s); };
    return PlannedModel{std::move(model), loss, step};
  };
  input.head_dim = model_.config().head_dim;
  input.narrow_weights = input.token_budget = true;
  return input;
}

std::optional<Evaluation> LanguageWorkload::evaluate() {
  if (dev_.examples.empty()) return std::nullopt;
  return evaluate_language(model_, dev_, settings_);
}

std::vector<PackedBatch> LanguageWorkload::batches_of(const LanguageSplit& split, int64_t count) const {
  std::vector<PackedBatch> batches;
  for (const auto& which :
       micro_batches(split, first_examples(split, count), settings_.batch_size, settings_.batch_tokens))
    batches.push_back(pack_examples(model_.context(), split, which, 0));
  return batches;
}

}  // namespace lowland::apps

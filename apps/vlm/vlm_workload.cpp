#include "apps/vlm/vlm_workload.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "apps/common/trainer.h"
#include "engine/autograd.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

Tensor loss_of(const Vlm& model, const PackedBatch& batch, const nn::Mode& mode, double scale, double smoothing) {
  LinearCrossEntropyOptions options;
  options.scale = scale;
  options.label_smoothing = smoothing;
  return model.loss(batch.rows, batch.images, batch.targets, mode, options);  // (1)
}

}  // namespace

PlacedImages place_pictures(const Vlm& model, const Pictures& pictures, const std::vector<nn::Segment>& segments,
                            const std::vector<std::vector<int32_t>>& which) {
  std::vector<int64_t> counts;
  std::vector<int32_t> all;
  for (const std::vector<int32_t>& some : which) {
    counts.push_back(static_cast<int64_t>(some.size()));
    all.insert(all.end(), some.begin(), some.end());
  }
  PlacedImages placed = place_images(model.context(), segments, counts, model.config());
  if (all.empty()) return placed;
  if (model.tower().learns()) {
    placed.images.pixels = pictures.pixels(model.context(), all);  // (I, 3, H, H)
  } else {
    placed.features = pictures.features(model, all);  // (I T, CV)
  }
  return placed;
}

PackedBatch pack_questions(const Vlm& model, const Pictures& pictures, const VlmSplit& split,
                           const std::vector<int64_t>& which, int64_t first) {
  std::vector<int32_t> targets;
  const std::vector<nn::Segment> segments = segments_of(split.text, which, first, targets);
  std::vector<std::vector<int32_t>> seen;
  for (const int64_t i : which) seen.push_back(split.pictures[static_cast<size_t>(i)]);
  PackedBatch batch = pack_batch(model.context(), segments, std::move(targets));
  batch.images = place_pictures(model, pictures, segments, seen);
  batch.examples = which;
  return batch;
}

Evaluation evaluate_questions(const Vlm& model, const Pictures& pictures, const VlmSplit& split,
                              const Settings& settings) {
  const NoGrad guard(model.context());
  double sum = 0;
  int64_t targets = 0;
  const std::vector<int64_t> all = first_examples(split.text, static_cast<int64_t>(split.size()));
  for (const auto& which : micro_batches(split.text, all, settings.batch_size, settings.batch_tokens)) {
    const PackedBatch batch = pack_questions(model, pictures, split, which, 0);
    sum += loss_of(model, batch, nn::Mode::evaluation(), 1.0, 0).item();
    targets += batch.target_count;
  }
  LL_CHECK(targets > 0, "there is no token to evaluate on");
  const double mean = sum / static_cast<double>(targets);
  Evaluation e;
  e.metrics["eval_loss"] = mean;
  e.metrics["eval_tokens"] = targets;
  e.score_name = "loss";
  e.score = -mean;
  return e;
}

VlmWorkload::VlmWorkload(const Vlm& model, const Pictures& pictures, VlmSplit train, VlmSplit dev,
                         const Settings& settings)
    : model_(model),
      pictures_(pictures),
      settings_(settings),
      train_(std::move(train)),
      dev_(std::move(dev)),
      plan_(train_.text.lengths(),
            {settings.batch_size, settings.grad_accum, static_cast<uint64_t>(settings.seed), true}) {}

std::vector<PackedBatch> VlmWorkload::step(int64_t index) {
  std::vector<PackedBatch> batches;
  int64_t first = 0;
  const std::vector<int64_t>& examples = plan_.examples(index);
  for (const auto& which : micro_batches(train_.text, examples, settings_.batch_size, settings_.batch_tokens)) {
    batches.push_back(pack_questions(model_, pictures_, train_, which, first));
    first += static_cast<int64_t>(which.size());
  }
  return batches;
}

Tensor VlmWorkload::loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const {
  return loss_of(model_, batch, mode, scale, mode.training ? settings_.label_smoothing : 0);
}

int64_t VlmWorkload::pictures_in(const std::vector<int64_t>& which, bool distinct) const {
  std::set<int32_t> seen;
  size_t all = 0;
  for (const int64_t i : which) {
    const std::vector<int32_t>& some = train_.pictures[static_cast<size_t>(i)];
    seen.insert(some.begin(), some.end());
    all += some.size();
  }
  return static_cast<int64_t>(distinct ? seen.size() : all);
}

std::vector<PackedBatch> VlmWorkload::largest_step(const Vlm& model, const Settings& s, bool cached) const {
  const VlmConfig& config = model.config();
  const BatchPlan plan(train_.text.lengths(), {s.batch_size, s.grad_accum, static_cast<uint64_t>(s.seed), true});
  const Pictures blank = Pictures::blank(pictures_, cached);
  const auto cut = [&](const std::vector<int64_t>& step) {
    return micro_batches(train_.text, step, s.batch_size, s.batch_tokens);
  };
  const auto largest = [&](const BatchPlan::Size& size) {
    std::vector<PackedBatch> batches;
    for (const auto& which : plan.largest_step(total_steps(s, plan.steps_per_epoch()), cut, size))
      batches.push_back(pack_questions(model, blank, train_, which, 0));
    return batches;
  };
  if (!model.tower().learns()) {
    if (!cached)  // the tower runs while a step is packed, and may need more than the step itself
      largest([&](const std::vector<int64_t>& which) { return pictures_in(which, true); });
    return largest({});
  }
  // What a row of the tower and one of the language model keep, in proportion.
  const int64_t in_tower = config.vision.hidden_size * config.vision.num_hidden_layers;
  const int64_t in_text = config.text.hidden_size * config.text.num_hidden_layers;
  return largest([&](const std::vector<int64_t>& which) {
    int64_t rows = 0;
    for (const int64_t i : which) rows += static_cast<int64_t>(train_.text.examples[static_cast<size_t>(i)].ids.size());
    return rows * in_text + pictures_in(which, false) * config.image_tokens() * in_tower;
  });
}

PlanInput VlmWorkload::plan_input(const std::function<std::unique_ptr<Vlm>(const Settings&)>& make, DType dtype) const {
  const VlmConfig& config = model_.config();
  const bool kept = !settings_.cache_features.empty();
  const bool cached = kept && cached_pictures(settings_.cache_features) >= pictures_.size();
  PlanInput input;
  input.make = [this, make, cached](const Settings& s) {
    auto model = make(s);
    const Vlm* const m = model.get();
    const auto loss = [m](const PackedBatch& batch, const nn::Mode& mode, double scale) {
      return loss_of(*m, batch, mode, scale, 0);
    };
    return PlannedModel{std::move(model), loss, [this, m, s, cached] { return largest_step(*m, s, cached); }};
  };
  input.head_dim = config.text.head_dim;
  if (model_.tower().learns()) input.head_dim = std::max(input.head_dim, config.vision.head_dim());
  const auto features = static_cast<size_t>(pictures_.size() * config.image_tokens() * config.vision.hidden_size);
  if (kept && !cached) input.waiting = std::min(features * size_of(dtype), FeatureCache::kShardBytes);
  input.narrow_weights = input.token_budget = true;
  return input;
}

std::optional<Evaluation> VlmWorkload::evaluate() {
  if (dev_.questions.empty()) return std::nullopt;
  return evaluate_questions(model_, pictures_, dev_, settings_);
}

std::vector<PackedBatch> VlmWorkload::batches_of(const VlmSplit& split, int64_t count) const {
  std::vector<PackedBatch> batches;
  for (const auto& which :
       micro_batches(split.text, first_examples(split.text, count), settings_.batch_size, settings_.batch_tokens))
    batches.push_back(pack_questions(model_, pictures_, split, which, 0));
  return batches;
}

}  // namespace lowland::apps

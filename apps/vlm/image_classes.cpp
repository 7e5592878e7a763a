#include "apps/vlm/image_classes.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

PackedBatch pack_pictures(const Vit& model, const Pictures& pictures, const std::vector<int32_t>& which,
                          const std::vector<int32_t>& labels, int64_t first, const Pictures::Change& change) {
  PackedBatch batch;
  const auto S = static_cast<int64_t>(which.size());
  for (int64_t i = 0; i < S; ++i) {
    batch.images.images.example.push_back(static_cast<int32_t>(first + i));
    batch.images.images.number.push_back(0);
  }
  batch.images.images.pixels = pictures.pixels(model.context(), which, change);  // (S, 3, H, H)
  batch.targets = Tensor::from<int32_t>(model.context(), {S}, labels);
  batch.target_count = S;
  batch.rows.longest = 1 + model.config().patches();
  batch.rows.N = batch.rows.tokens = S * batch.rows.longest;
  batch.rows.K = S;
  return batch;
}

Tensor loss_of(const Vit& model, const PackedBatch& batch, const nn::Mode& mode, double scale, double smoothing) {
  CrossEntropyOptions options;
  options.scale = scale;
  options.label_smoothing = smoothing;
  return ops::cross_entropy(model.forward(batch.images.images, mode), batch.targets, options);  // (1)
}

}  // namespace

ClassWorkload::ClassWorkload(const Vit& model, const ImageSettings& images, const PictureClasses& data,
                             const Settings& settings, int threads)
    : model_(model),
      settings_(settings),
      augment_(augment_of(settings, model.config().image_size)),
      pictures_(images, threads),
      train_(split_of(data.train)),
      dev_(split_of(data.dev)),
      plan_(std::vector<int32_t>(data.train.size(), 1),
            {settings.batch_size, settings.grad_accum, static_cast<uint64_t>(settings.seed), false}) {}

ClassWorkload::Split ClassWorkload::split_of(const std::vector<LabelledPicture>& all) {
  Split split;
  for (const LabelledPicture& p : all) {
    split.pictures.push_back(pictures_.add(p.file, "class " + model_.config().labels[static_cast<size_t>(p.label)]));
    split.labels.push_back(p.label);
  }
  return split;
}

PackedBatch ClassWorkload::pack(const Split& split, const std::vector<int64_t>& which, int64_t first,
                                const Pictures::Change& change) const {
  std::vector<int32_t> pictures, labels;
  for (const int64_t i : which) {
    pictures.push_back(split.pictures[static_cast<size_t>(i)]);
    labels.push_back(split.labels[static_cast<size_t>(i)]);
  }
  PackedBatch batch = pack_pictures(model_, pictures_, pictures, labels, first, change);
  batch.examples = which;
  return batch;
}

std::vector<PackedBatch> ClassWorkload::step(int64_t index) {
  std::vector<PackedBatch> batches;
  const std::vector<int64_t>& all = plan_.examples(index);
  for (size_t begin = 0; begin < all.size(); begin += static_cast<size_t>(settings_.batch_size)) {
    const size_t end = std::min(all.size(), begin + static_cast<size_t>(settings_.batch_size));
    const auto first = static_cast<int64_t>(begin);
    const Pictures::Change change = [&](size_t i, float* values) {
      augment_picture(values, model_.config().image_size, augment_, static_cast<uint64_t>(settings_.seed), index,
                      first + static_cast<int64_t>(i));
    };
    batches.push_back(pack(train_, {all.begin() + first, all.begin() + static_cast<std::ptrdiff_t>(end)}, first,
                           augment_.any() ? change : Pictures::Change()));
  }
  return batches;
}

Tensor ClassWorkload::loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const {
  return loss_of(model_, batch, mode, scale, mode.training ? settings_.label_smoothing : 0);
}

// Pictures are all as large: any step with full micro-batches.
std::vector<PackedBatch> ClassWorkload::largest_step(const Vit& model, const Settings& s) const {
  const Pictures blank = Pictures::blank(pictures_, false);
  std::vector<PackedBatch> batches;
  int64_t left = std::min(static_cast<int64_t>(train_.labels.size()), s.batch_size * s.grad_accum);
  while (left > 0) {
    const auto S = static_cast<size_t>(std::min(left, s.batch_size));
    batches.push_back(pack_pictures(model, blank, std::vector<int32_t>(S), std::vector<int32_t>(S), 0, {}));
    left -= s.batch_size;
  }
  return batches;
}

PlanInput ClassWorkload::plan_input(const std::function<std::unique_ptr<Vit>(const Settings&)>& make) const {
  PlanInput input;
  input.make = [this, make](const Settings& s) {
    auto model = make(s);
    const Vit* const m = model.get();
    const auto loss = [m](const PackedBatch& batch, const nn::Mode& mode, double scale) {
      return loss_of(*m, batch, mode, scale, 0);
    };
    return PlannedModel{std::move(model), loss, [this, m, s] { return largest_step(*m, s); }};
  };
  input.head_dim = model_.config().head_dim();
  return input;
}

std::optional<Evaluation> ClassWorkload::evaluate() {
  if (dev_.labels.empty()) return std::nullopt;
  const NoGrad guard(model_.context());
  double sum = 0;
  int64_t right = 0;
  for (const auto& which : BatchPlan::in_order(static_cast<int64_t>(dev_.labels.size()), settings_.batch_size)) {
    const PackedBatch batch = pack(dev_, which, 0);
    const Tensor logits = model_.forward(batch.images.images, nn::Mode::evaluation());  // (S, labels)
    sum += ops::cross_entropy(logits, batch.targets, {}).item();
    const std::vector<float> values = logits.to(DType::f32).to_vector<float>();
    const auto labels = static_cast<std::ptrdiff_t>(model_.config().labels.size());
    for (size_t s = 0; s < which.size(); ++s) {
      const auto row = values.begin() + static_cast<std::ptrdiff_t>(s) * labels;
      const auto best = std::max_element(row, row + labels) - row;
      right += best == dev_.labels[static_cast<size_t>(which[s])] ? 1 : 0;
    }
  }
  const auto n = static_cast<double>(dev_.labels.size());
  Evaluation e;
  e.metrics["eval_loss"] = sum / n;
  e.metrics["eval_accuracy"] = static_cast<double>(right) / n;
  e.score_name = "accuracy";
  e.score = static_cast<double>(right) / n;
  return e;
}

std::vector<PackedBatch> ClassWorkload::probe_batches() {
  std::vector<PackedBatch> batches;
  const auto n = std::min<int64_t>(256, static_cast<int64_t>(train_.labels.size()));
  for (const auto& which : BatchPlan::in_order(n, settings_.batch_size)) batches.push_back(pack(train_, which, 0));
  return batches;
}

}  // namespace lowland::apps

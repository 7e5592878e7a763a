#include "apps/vlm/image_classes.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/error.h"

namespace lowland::apps {

ClassWorkload::ClassWorkload(const Vit& model, const ImageSettings& images, const PictureClasses& data,
                             const Settings& settings)
    : model_(model),
      settings_(settings),
      augment_(augment_of(settings, model.config().image_size)),
      pictures_(images, model.context().threads()),
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
  PackedBatch batch;
  for (size_t i = 0; i < which.size(); ++i) {
    pictures.push_back(split.pictures[static_cast<size_t>(which[i])]);
    labels.push_back(split.labels[static_cast<size_t>(which[i])]);
    batch.images.images.example.push_back(static_cast<int32_t>(first + static_cast<int64_t>(i)));
    batch.images.images.number.push_back(0);
  }
  const auto S = static_cast<int64_t>(which.size());
  batch.images.images.pixels = pictures_.pixels(model_.context(), pictures, change);   // (S, 3, H, H)
  batch.targets = Tensor::from<int32_t>(model_.context(), {S}, labels);
  batch.target_count = S;
  batch.rows.tokens = S * (1 + model_.config().patches());
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
  CrossEntropyOptions options;
  options.scale = scale;
  options.label_smoothing = mode.training ? settings_.label_smoothing : 0;
  return ops::cross_entropy(model_.forward(batch.images.images, mode), batch.targets, options);  // (1)
}

std::optional<Evaluation> ClassWorkload::evaluate() {
  if (dev_.labels.empty()) return std::nullopt;
  const NoGrad guard(model_.context());
  double sum = 0;
  int64_t right = 0;
  for (const auto& which : BatchPlan::in_order(static_cast<int64_t>(dev_.labels.size()), settings_.batch_size)) {
    const PackedBatch batch = pack(dev_, which, 0);
    const Tensor logits = model_.forward(batch.images.images, nn::Mode::evaluation());         // (S, labels)
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

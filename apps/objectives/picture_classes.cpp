#include "apps/objectives/picture_classes.h"

#include <algorithm>

#include "engine/autograd.h"

namespace lowland::apps {
namespace {

const Vit& vit(const nn::Model& model) { return static_cast<const Vit&>(model); }

}  // namespace

PictureClassification::PictureClassification(const PictureClasses& data, const ImageSettings& images, int threads,
                                             const Augment& augment, double label_smoothing, uint64_t seed)
    : augment_(augment),
      pictures_(images, threads),
      train_(take(data.train, data.classes)),
      dev_(take(data.dev, data.classes)),
      label_smoothing_(label_smoothing),
      seed_(seed) {}

PictureClassification::Labelled PictureClassification::take(const std::vector<LabelledPicture>& all,
                                                            const std::vector<std::string>& classes) {
  Labelled split;
  for (const LabelledPicture& p : all) {
    split.pictures.push_back(pictures_.add(p.file, "class " + classes[p.label]));
    split.labels.push_back(p.label);
    split.lengths.push_back(1);
  }
  return split;
}

PackedBatch PictureClassification::pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                                        const Place& place) const {
  const Vit& tower = vit(model);
  const auto S = static_cast<int64_t>(which.size());
  std::vector<int32_t> pictures, labels;
  PackedBatch batch;
  for (const int64_t i : which) {
    batch.images.images.example.push_back(static_cast<int32_t>(place.first + static_cast<int64_t>(pictures.size())));
    batch.images.images.number.push_back(0);
    pictures.push_back(of(split).pictures[i]);
    labels.push_back(of(split).labels[i]);
  }
  const Pictures::Change change = [&](size_t i, float* values) {
    augment_picture(values, tower.config().image_size, augment_, seed_, place.step,
                    place.first + static_cast<int64_t>(i));
  };
  const bool changes = place.training && augment_.any();
  batch.images.images.pixels =
      pictures_.pixels(model.context(), pictures, changes ? change : Pictures::Change());  // (S, 3, H, H)
  batch.targets = Tensor::from<int32_t>(model.context(), {S}, labels);
  batch.target_count = S;
  batch.rows.longest = 1 + tower.config().patches();
  batch.rows.N = batch.rows.tokens = S * batch.rows.longest;
  batch.rows.K = S;
  batch.examples = which;
  return batch;
}

Tensor PictureClassification::loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode,
                                   double scale) const {
  CrossEntropyOptions options;
  options.scale = scale;
  options.label_smoothing = mode.training ? label_smoothing_ : 0;
  return ops::cross_entropy(vit(model).forward(batch.images.images, mode), batch.targets, options);  // (1)
}

Evaluation PictureClassification::evaluate(const nn::Model& model, DataSplit split, const BatchSettings& b) const {
  const NoGrad guard(model.context());
  const Labelled& all = of(split);
  const auto labels = static_cast<int64_t>(vit(model).config().labels.size());
  std::vector<double> losses, right(1);  // by batch; all
  int64_t number = 0;
  for (const auto& which : BatchPlan::in_order(static_cast<int64_t>(all.labels.size()), b.batch_size)) {
    losses.push_back(0);
    if (!mine(number++)) continue;
    const PackedBatch batch = pack(model, split, which, {});
    const Tensor logits = vit(model).forward(batch.images.images, nn::Mode::evaluation());  // (S, labels)
    losses.back() = ops::cross_entropy(logits, batch.targets, {}).item();
    const std::vector<float> values = logits.to(DType::f32).to_vector<float>();
    for (size_t s = 0; s < which.size(); ++s) {
      const auto row = values.begin() + static_cast<int64_t>(s) * labels;
      right[0] += std::max_element(row, row + labels) - row == all.labels[which[s]] ? 1 : 0;
    }
  }
  const auto n = static_cast<double>(all.labels.size());
  share(losses);
  share(right);
  double sum = 0;
  for (const double loss : losses) sum += loss;
  const double accuracy = right[0] / n;
  return {{{"eval_loss", sum / n}, {"eval_accuracy", accuracy}}, accuracy, "accuracy"};
}

int64_t PictureClassification::head_dim(const nn::Model& model) const { return vit(model).config().head_dim(); }

}  // namespace lowland::apps

#include "apps/objectives/questions.h"

#include <algorithm>
#include <set>

namespace lowland::apps {
namespace {

const Vlm& vlm(const nn::Model& model) { return static_cast<const Vlm&>(model); }

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
  for (const int64_t i : which) seen.push_back(split.pictures[i]);
  PackedBatch batch = pack_batch(model.context(), segments, std::move(targets));
  batch.images = place_pictures(model, pictures, segments, seen);
  batch.examples = which;
  return batch;
}

PackedBatch Questions::pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                            const Place& place) const {
  return pack_questions(vlm(model), pictures_, this->split(split), which, place.first);
}

Tensor Questions::loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode, double scale) const {
  LinearCrossEntropyOptions options;
  options.scale = scale;
  options.label_smoothing = mode.training ? label_smoothing_ : 0;
  return vlm(model).loss(batch.rows, batch.images, batch.targets, mode, options);  // (1)
}

Evaluation Questions::evaluate(const nn::Model& model, DataSplit split, const BatchSettings& batch) const {
  const MeanLoss mean = mean_loss(*this, model, split, batch);
  return {{{"eval_loss", mean.loss}, {"eval_tokens", mean.targets}}, -mean.loss, "loss"};
}

int64_t Questions::pictures_in(const std::vector<int64_t>& which, bool distinct) const {
  std::set<int32_t> seen;
  size_t all = 0;
  for (const int64_t i : which) {
    const std::vector<int32_t>& some = data_.train.pictures[i];
    seen.insert(some.begin(), some.end());
    all += some.size();
  }
  return static_cast<int64_t>(distinct ? seen.size() : all);
}

std::vector<BatchPlan::Size> Questions::measures(const nn::Model& model) const {
  const VlmConfig& config = vlm(model).config();
  if (!vlm(model).tower().learns()) {
    if (pictures_.all_cached()) return {{}};
    // The tower runs while a step is packed, and may need more than the step itself.
    return {[this](const std::vector<int64_t>& which) { return pictures_in(which, true); }, {}};
  }
  // What a row of the tower and one of the language model keep, in proportion.
  const int64_t in_tower = config.vision.hidden_size * config.vision.num_hidden_layers * config.image_tokens();
  const int64_t in_text = config.text.hidden_size * config.text.num_hidden_layers;
  return {[this, in_tower, in_text](const std::vector<int64_t>& which) {
    int64_t rows = 0;
    for (const int64_t i : which) rows += data_.train.text.lengths[i];
    return rows * in_text + pictures_in(which, false) * in_tower;
  }};
}

int64_t Questions::head_dim(const nn::Model& model) const {
  const VlmConfig& config = vlm(model).config();
  return vlm(model).tower().learns() ? std::max(config.text.head_dim, config.vision.head_dim()) : config.text.head_dim;
}

size_t Questions::waiting_bytes(const nn::Model& model) const { return pictures_.waiting_bytes(vlm(model)); }

}  // namespace lowland::apps

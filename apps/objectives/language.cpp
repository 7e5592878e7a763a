#include "apps/objectives/language.h"

#include <cmath>

namespace lowland::apps {
namespace {

const Decoder& decoder(const nn::Model& model) { return static_cast<const Decoder&>(model); }

}  // namespace

PackedBatch LanguageModelling::pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                                    const Place& place) const {
  std::vector<int32_t> targets;
  const std::vector<nn::Segment> segments = segments_of(data_.of(split), which, place.first, targets);
  PackedBatch batch = pack_batch(model.context(), segments, std::move(targets));
  batch.examples = which;
  return batch;
}

Tensor LanguageModelling::loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode,
                               double scale) const {
  LinearCrossEntropyOptions options;
  options.scale = scale;
  options.label_smoothing = mode.training ? label_smoothing_ : 0;
  const Decoder& m = decoder(model);
  const Tensor x = m.decode(m.embed(batch.rows.ids), batch.rows, mode);  // (K, C)
  return m.loss(x, batch.targets, options, batch.rows.selected, mode);   // (1)
}

Evaluation LanguageModelling::evaluate(const nn::Model& model, DataSplit split, const BatchSettings& batch) const {
  const MeanLoss mean = mean_loss(*this, model, split, batch);
  return {{{"eval_loss", mean.loss}, {"eval_perplexity", std::exp(mean.loss)}, {"eval_tokens", mean.targets}},
          -mean.loss,
          "loss"};
}

int64_t LanguageModelling::head_dim(const nn::Model& model) const { return decoder(model).config().head_dim; }

}  // namespace lowland::apps

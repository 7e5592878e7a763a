#include "models/vlm/vlm.h"

#include <fmt/format.h>

#include "engine/error.h"

namespace lowland {

using nn::Bias;
using nn::Linear;
using nn::Mode;
using nn::Rows;

Vlm::Vlm(VlmConfig config) : config_(std::move(config)) {
  const int64_t CV = config_.vision.hidden_size, C = config_.text.hidden_size;
  const Bias bias = config_.projector_bias ? Bias::learnt : Bias::none;
  const std::string projector = std::string(kVlmProjector) + ".";
  tower_ = std::make_unique<Vit>(config_.vision, VitHead::none, this, kVlmTower);
  linear_1_ = own(std::make_unique<Linear>(parameters_, projector + "linear_1", C, CV, bias));
  linear_2_ = own(std::make_unique<Linear>(parameters_, projector + "linear_2", C, C, bias));
  language_ = std::make_unique<Llama>(config_.text, this, kVlmLanguage);
}

Tensor Vlm::features(const ImageBatch& images, const Mode& mode) const {
  LL_CHECK(images.pixels && images.pixels.rank() == 4 && images.pixels.dim(2) == config_.vision.image_size,
           "the model takes images of {} pixels a side, not {}", config_.vision.image_size, describe(images.pixels));
  const int64_t layer = config_.vision_feature_layer;
  return config_.keep_class_token ? tower_->hidden(images, layer, mode)    // (I (1 + NP), CV)
                                  : tower_->patches(images, layer, mode);  // (I NP, CV)
}

Tensor Vlm::project(const Tensor& features, const nn::RowIds& ids, const Mode& mode) const {
  const Tensor h = ops::gelu(linear_1_->forward(features, ids, mode));  // (I T, C)
  return linear_2_->forward(h, ids, mode);                              // (I T, C)
}

Tensor Vlm::embed(const Rows& rows, const PlacedImages& images, const Mode& mode) const {
  arena().refresh();
  Tensor x = language_->embed(rows.ids);  // (N, C)
  if (!images.any()) return x;
  const Tensor features = images.features ? images.features : this->features(images.images, mode);  // (I T, CV)
  LL_CHECK(
      features.rank() == 2 && features.dim(0) == images.rows.numel() && features.dim(1) == config_.vision.hidden_size,
      "{} rows of the batch are images', but the features are {}", images.rows.numel(), describe(features));
  const Tensor projected = project(features, images.ids, mode);    // (I T, C)
  return ops::replace_rows(std::move(x), projected, images.rows);  // (N, C)
}

Tensor Vlm::forward(const Rows& rows, const PlacedImages& images, const Mode& mode) const {
  return language_->logits(language_->decode(embed(rows, images, mode), rows, mode), rows.selected, mode);  // (K, V)
}

Tensor Vlm::loss(const Rows& rows, const PlacedImages& images, const Tensor& targets, const Mode& mode,
                 const LinearCrossEntropyOptions& options) const {
  const Tensor x = language_->decode(embed(rows, images, mode), rows, mode);  // (K, C)
  return language_->loss(x, targets, options, rows.selected, mode);           // (1)
}

bool Vlm::reads(const std::string& name) const {
  const std::string tower = std::string(kVlmTower) + ".", layers = tower + "encoder.layers.";
  if (!name.starts_with(tower)) return true;
  if (name.starts_with(layers))
    return std::stoll(name.substr(layers.size())) < tower_->blocks_before(config_.vision_feature_layer);
  return !name.starts_with(tower + "post_layernorm.");
}

std::vector<int32_t> expand_image_tokens(const std::vector<int32_t>& ids, int32_t image_token, int64_t image_tokens,
                                         std::vector<uint8_t>* learn) {
  std::vector<int32_t> out;
  std::vector<uint8_t> marks;
  for (size_t i = 0; i < ids.size(); ++i) {
    const size_t times = ids[i] == image_token ? image_tokens : 1;
    out.insert(out.end(), times, ids[i]);
    if (learn != nullptr) marks.insert(marks.end(), times, (*learn)[i]);
  }
  if (learn != nullptr) *learn = std::move(marks);
  return out;
}

PlacedImages place_images(Context& context, const std::vector<nn::Segment>& segments,
                          const std::vector<int64_t>& images, const VlmConfig& config) {
  LL_CHECK(segments.size() == images.size(), "{} segments, but images of {}", segments.size(), images.size());
  std::vector<int32_t> rows, example, position;
  int32_t begin = 0;
  PlacedImages placed;
  for (size_t s = 0; s < segments.size(); ++s) {
    const nn::Segment& segment = segments[s];
    const size_t before = rows.size();
    for (size_t i = 0; i < segment.ids.size(); ++i) {
      if (segment.ids[i] != config.image_token_id) continue;
      rows.push_back(begin + static_cast<int32_t>(i));
      example.push_back(static_cast<int32_t>(segment.example));
      position.push_back(static_cast<int32_t>(i));
    }
    const int64_t found = rows.size() - before;
    LL_CHECK(found == images[s] * config.image_tokens(), "segment {} has {} image tokens and {} images, which take {}",
             s, found, images[s], images[s] * config.image_tokens());
    for (int64_t i = 0; i < images[s]; ++i) {
      placed.images.example.push_back(static_cast<int32_t>(segment.example));
      placed.images.number.push_back(static_cast<int32_t>(i));
    }
    begin += static_cast<int32_t>(segment.ids.size());
  }
  const PhaseScope phase(context.memory(), "data");
  const auto tensor = [&](const std::vector<int32_t>& v) {
    return Tensor::from<int32_t>(context, {static_cast<int64_t>(v.size())}, v);
  };
  placed.rows = tensor(rows);
  placed.ids = {tensor(example), tensor(position)};
  return placed;
}

}  // namespace lowland

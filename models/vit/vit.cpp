#include "models/vit/vit.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/autograd.h"
#include "engine/error.h"
#include "models/vit/interpolate_positions.h"

namespace lowland {

using nn::Linear;
using nn::Mode;

Vit::Vit(VitConfig config, VitHead head, nn::Model* whole, const std::string& base)
    : nn::Model(whole), config_(std::move(config)), base_(base + ".") {
  const int64_t C = config_.hidden_size, P = config_.patch_size;
  const std::string embeddings = base + ".embeddings.";
  nn::ParameterSet& set = parameters_;
  class_embedding_ = &set.add(embeddings + "class_embedding", {C}, nn::Init::normal, true);
  patch_embedding_ =
      &set.add(embeddings + "patch_embedding.weight", {C, config_.num_channels, P, P}, nn::Init::normal, true);
  positions_ = std::make_unique<nn::Embedding>(set, embeddings + "position_embedding", 1 + config_.patches(), C);
  pre_norm_ = std::make_unique<nn::LayerNorm>(set, base + ".pre_layrnorm", C, config_.layer_norm_eps);
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) layers_.push_back(make_layer(base, i));
  post_norm_ = std::make_unique<nn::LayerNorm>(set, base + ".post_layernorm", C, config_.layer_norm_eps);
  if (head == VitHead::none) return;
  LL_CHECK(!config_.labels.empty(), "an image classifier needs at least one class");
  classifier_ = own(std::make_unique<Linear>(set, "classifier", config_.labels.size(), C));
}

Vit::Layer Vit::make_layer(const std::string& base, int64_t index) {
  const int64_t C = config_.hidden_size, F = config_.intermediate_size;
  const std::string prefix = fmt::format("{}.encoder.layers.{}.", base, index), attention = prefix + "self_attn.";
  nn::ParameterSet& set = parameters_;
  using Parts = std::vector<Linear::Part>;
  return {nn::LayerNorm(set, prefix + "layer_norm1", C, config_.layer_norm_eps),
          own(std::make_unique<Linear>(
              set, Parts{{attention + "q_proj", C}, {attention + "k_proj", C}, {attention + "v_proj", C}}, C)),
          own(std::make_unique<Linear>(set, attention + "out_proj", C, C)),
          nn::LayerNorm(set, prefix + "layer_norm2", C, config_.layer_norm_eps),
          own(std::make_unique<Linear>(set, prefix + "mlp.fc1", F, C)),
          own(std::make_unique<Linear>(set, prefix + "mlp.fc2", C, F)),
          set.next_op()};
}

Vit::ImageRows Vit::pack(const ImageBatch& images) const {
  const Tensor& x = images.pixels;
  const int64_t P = config_.patch_size;
  LL_CHECK(x && x.rank() == 4 && x.dim(0) > 0 && x.dim(1) == config_.num_channels && x.dim(2) == x.dim(3),
           "the vision tower takes images (S,{},H,H), not {}", config_.num_channels, describe(x));
  LL_CHECK(x.dim(2) % P == 0 && x.dim(2) >= P, "images of {} x {} pixels do not divide into patches of {}", x.dim(2),
           x.dim(2), P);
  const size_t S = x.dim(0);
  LL_CHECK(images.example.size() == S && images.number.size() == S, "{} images, but {} examples and {} numbers", S,
           images.example.size(), images.number.size());
  ImageRows rows;
  rows.S = x.dim(0);
  rows.side = x.dim(2) / P;
  rows.NP = rows.side * rows.side;
  rows.N = rows.S * (1 + rows.NP);
  std::vector<int32_t> example, position, place, patches, classes, cu = {0}, cu_patches = {0};
  const auto i32 = [](int64_t n) { return static_cast<int32_t>(n); };
  for (size_t s = 0; s < S; ++s) {
    classes.push_back(i32(place.size()));
    for (int64_t p = 0; p <= rows.NP; ++p) {
      if (p > 0) patches.push_back(i32(place.size()));
      example.push_back(images.example[s]);
      position.push_back(i32(images.number[s] * (1 + rows.NP) + p));
      place.push_back(i32(p));
    }
    cu.push_back(i32(place.size()));
    cu_patches.push_back(i32(patches.size()));
  }
  const PhaseScope phase(context().memory(), "data");
  const auto tensor = [&](const std::vector<int32_t>& v) {
    return Tensor::from<int32_t>(context(), {static_cast<int64_t>(v.size())}, v);
  };
  rows.ids = {tensor(example), tensor(position)};
  rows.place = tensor(place);
  rows.patches = tensor(patches);
  rows.classes = tensor(classes);
  rows.cu = tensor(cu);
  rows.cu_patches = tensor(cu_patches);
  return rows;
}

Tensor Vit::position_rows(const ImageRows& rows) const {
  const Tensor& table = positions_->weight().value;  // (1 + NP, C)
  const int64_t side = config_.side();
  if (rows.side == side) return ops::embedding(rows.place, table, dtype());  // (N, C)
  Tensor& map = interpolations_[rows.side];
  if (!map)
    map = Tensor::from<double>(context(), {1 + rows.NP, 1 + config_.patches()}, interpolate_positions(side, rows.side))
              .to(dtype());
  const Tensor learnt = table.dtype() == dtype() ? table : table.to(dtype());
  return ops::embedding(rows.place, ops::matmul(map, learnt));  // (N, C)
}

Tensor Vit::embed(const ImageBatch& images, const ImageRows& rows) const {
  const int64_t C = config_.hidden_size, P = config_.patch_size;
  const Tensor weight = patch_embedding_->value.reshape({C, config_.num_channels * P * P});
  Tensor patches = ops::patchify(images.pixels.to(dtype()), P);               // (S NP, D P P)
  patches = ops::linear(patches, weight, Tensor());                           // (S NP, C)
  const Tensor first = Tensor::zeros(context(), {rows.N}, DType::i32);        // (N)
  Tensor x = ops::embedding(first, class_embedding_->value.reshape({1, C}));  // (N, C): class tokens
  x = ops::replace_rows(std::move(x), patches, rows.patches);                 // (N, C)
  return pre_norm_->forward(position_rows(rows), x).norm;                     // (N, C)
}

AddNorm Vit::block(const Layer& layer, AddNorm x, const ImageRows& rows, const Mode& mode,
                   const nn::LayerNorm* next) const {
  AttentionOptions options;
  options.heads = options.kv_heads = config_.num_attention_heads;
  options.head_dim = config_.head_dim();
  options.cu_q = rows.cu;
  options.max_q = options.max_k = 1 + rows.NP;
  options.dropout = mode.dropout(config_.attention_dropout, layer.attention_op, rows.ids);
  if (!x.norm) x.norm = layer.norm1.forward(x.sum);                                    // (N, C)
  Tensor o = layer.qkv->forward(std::exchange(x.norm, {}), rows.ids, mode);            // (N, 3 C)
  o = layer.output->forward(ops::attention(o, options), rows.ids, mode);               // (N, C)
  x = layer.norm2.forward(o, x.sum);                                                   // (N, C)
  o = layer.fc1->forward(std::exchange(x.norm, {}), rows.ids, mode);                   // (N, F)
  o = config_.activation == GeluForm::quick ? ops::quick_gelu(o) : ops::gelu(o);       // (N, F)
  o = layer.fc2->forward(o, rows.ids, mode);                                           // (N, C)
  return next != nullptr ? next->forward(o, x.sum) : AddNorm{ops::add(x.sum, o), {}};  // (N, C)
}

bool Vit::learns() const {
  const auto own = [this](const std::string& name) { return name.starts_with(base_); };
  const auto& weights = parameters_.all();
  return std::any_of(weights.begin(), weights.end(), [&](const auto& p) { return p->trainable && own(p->name); }) ||
         std::any_of(adapters().begin(), adapters().end(), [&](const auto& a) { return own(a.module); });
}

Tensor Vit::run(const ImageBatch& images, const ImageRows& rows, int64_t blocks, const Mode& mode) const {
  arena().refresh();
  std::optional<NoGrad> frozen;  // recomputed blocks would be recorded, whether they learn or not
  if (!learns()) frozen.emplace(context());
  AddNorm x{embed(images, rows), {}};  // (N, C)
  for (int64_t i = 0; i < blocks; ++i) {
    const Layer& layer = layers_[i];
    const nn::LayerNorm* next = i + 1 < blocks ? &layers_[i + 1].norm1 : nullptr;
    const auto one = [this, &layer, rows, mode](const Tensor& in) {
      return block(layer, {in, {}}, rows, mode, nullptr).sum;
    };
    if (recompute()) {
      x.sum = checkpoint(one, x.sum);  // (N, C)
    } else {
      x = block(layer, std::move(x), rows, mode, next);  // (N, C)
    }
  }
  return x.sum;
}

int64_t Vit::blocks_before(int64_t layer) const {
  const int64_t L = config_.num_hidden_layers, blocks = layer < 0 ? L + 1 + layer : layer;
  LL_CHECK(blocks >= 0 && blocks <= L, "the vision tower has hidden states 0 to {}, not {}", L, layer);
  return blocks;
}

Tensor Vit::hidden(const ImageBatch& images, int64_t layer, const Mode& mode) const {
  return run(images, pack(images), blocks_before(layer), mode);  // (N, C)
}

Tensor Vit::patches(const ImageBatch& images, int64_t layer, const Mode& mode) const {
  const ImageRows rows = pack(images);
  return ops::gather_rows(run(images, rows, blocks_before(layer), mode), rows.patches);  // (S NP, C)
}

Tensor Vit::pooled(const ImageBatch& images, const Mode& mode) const {
  const ImageRows rows = pack(images);
  const Tensor x = run(images, rows, config_.num_hidden_layers, mode);  // (N, C)
  return post_norm_->forward(ops::gather_rows(x, rows.classes));        // (S, C)
}

Tensor Vit::forward(const ImageBatch& images, const Mode& mode) const {
  LL_CHECK(classifier_ != nullptr, "this vision tower has no classifier");
  const ImageRows rows = pack(images);
  Tensor x = run(images, rows, config_.num_hidden_layers, mode);              // (N, C)
  x = ops::segment_mean(ops::gather_rows(x, rows.patches), rows.cu_patches);  // (S, C)
  std::vector<int32_t> zeros(images.number.size(), 0);
  const auto tensor = [&](const std::vector<int32_t>& v) { return Tensor::from<int32_t>(context(), {rows.S}, v); };
  return classifier_->forward(x, {tensor(images.example), tensor(zeros)}, mode);  // (S, labels)
}

}  // namespace lowland

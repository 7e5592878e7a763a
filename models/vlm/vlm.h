// Vlm: LLaVA-1.5. Images go through a CLIP tower and a projector of two layers, and their rows take the places of
// `<image>` tokens among the embedded rows of a Llama, which is as it is without them.
// paper: Liu et al. 2023, arXiv:2310.03744. Parameter names: models/vlm/names.h.
//
//   pixels --tower, hidden state -2--> features (I T, CV) --projector--> (I T, C) --+
//   ids ----------------------------------embed--> (N, C) --rows exchanged----------+--> the decoder's loss or logits
// A sample may have any number of images, none too. Their rows count positions like tokens, see what is before them and
// are seen by what comes after: attention in the decoder is causal throughout. T is config.image_tokens().
#pragma once
#include <memory>
#include <vector>

#include "models/llama/llama.h"
#include "models/vit/vit.h"
#include "models/vlm/config.h"

namespace lowland {

class Vlm final : public nn::Model {
 public:
  explicit Vlm(VlmConfig config);

  // What the projector reads of each image: (I T, CV).
  Tensor features(const ImageBatch& images, const nn::Mode& mode) const;
  // Features as rows among the decoder's: (I T, C).
  Tensor project(const Tensor& features, const nn::RowIds& ids, const nn::Mode& mode) const;
  // Embedded tokens with the rows of the images among them, (N, C).
  Tensor embed(const nn::Rows& rows, const PlacedImages& images, const nn::Mode& mode) const;
  // Logits of the selected rows, (K, V).
  Tensor forward(const nn::Rows& rows, const PlacedImages& images, const nn::Mode& mode) const;
  // Cross-entropy of the next tokens of the selected rows: targets (K) i32 -> (1)
  Tensor loss(const nn::Rows& rows, const PlacedImages& images, const Tensor& targets, const nn::Mode& mode,
              const LinearCrossEntropyOptions& options) const;

  // Whether a forward pass reads the parameter of this name: the tower's last blocks are there for the file's sake.
  bool reads(const std::string& name) const;
  const VlmConfig& config() const { return config_; }
  const Vit& tower() const { return *tower_; }
  const Llama& language() const { return *language_; }

 private:
  VlmConfig config_;
  std::unique_ptr<Vit> tower_;
  std::unique_ptr<Llama> language_;
  nn::Linear* linear_1_;
  nn::Linear* linear_2_;
};

// The names of the parts in the new spelling, as prefixes.
inline constexpr const char* kVlmTower = "model.vision_tower";
inline constexpr const char* kVlmProjector = "model.multi_modal_projector";
inline constexpr const char* kVlmLanguage = "model.language_model";
inline constexpr const char* kVlmEmbedding = "model.language_model.embed_tokens";

// ids with each image token repeated until an image has its T rows. `learn`, marks beside the ids, if given grows
// alike.
std::vector<int32_t> expand_image_tokens(const std::vector<int32_t>& ids, int32_t image_token, int64_t image_tokens,
                                         std::vector<uint8_t>* learn = nullptr);

// Where the images of packed segments are: rows whose id is the image token. `images`: of each segment, how many it
// has. Throws Error, naming the segment, where that is not what its tokens say.
PlacedImages place_images(Context& context, const std::vector<nn::Segment>& segments,
                          const std::vector<int64_t>& images, const VlmConfig& config);

}  // namespace lowland

// Vit: CLIP's vision transformer. An image is a segment of 1 + NP rows, a class token and its patches, which attend to
// each other in both directions; images of a batch are packed like sentences.
// paper: Dosovitskiy et al. 2021, arXiv:2010.11929; Radford et al. 2021, arXiv:2103.00020. Parameter names are Hugging
// Face's, pre_layrnorm (sic) included.
//
//   pixels --patchify, linear--> patches --class token, positions, norm--> hidden 0 --block--> hidden 1 ... hidden L
// A hidden state of any layer can be asked for (LLaVA reads hidden L - 1): later blocks are not computed. The
// classifier reads the mean of the last hidden state's patches, as transformers' CLIPForImageClassification does.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/vit/config.h"
#include "models/vit/image_batch.h"
#include "nn/embedding.h"
#include "nn/layer_norm.h"
#include "nn/model.h"

namespace lowland {

enum class VitHead { none, classification };

class Vit final : public nn::Model {
 public:
  // As a part of another model its names begin with `base`. The classifier has as many outputs as the config has
  // labels.
  Vit(VitConfig config, VitHead head, nn::Model* whole = nullptr, const std::string& base = "vision_model");

  // Hidden state `layer`: 0 is what the first block reads, L what the last one gives; negative ones count from the end,
  // -1 being L. All rows, (S (1 + NP), C).
  Tensor hidden(const ImageBatch& images, int64_t layer, const nn::Mode& mode) const;
  // The same without the class tokens: (S NP, C).
  Tensor patches(const ImageBatch& images, int64_t layer, const nn::Mode& mode) const;
  // The class token's last hidden state, normalised: CLIP's pooled output, (S, C).
  Tensor pooled(const ImageBatch& images, const nn::Mode& mode) const;
  // Logits of the classes, (S, labels).
  Tensor forward(const ImageBatch& images, const nn::Mode& mode) const;

  // The blocks that hidden state `layer` comes out of. Throws Error if there is no such layer.
  int64_t blocks_before(int64_t layer) const;
  // Whether anything of it is trained. If not, it runs without recording.
  bool learns() const;
  const VitConfig& config() const { return config_; }

 private:
  struct Layer {
    nn::LayerNorm norm1;
    nn::Linear* qkv;
    nn::Linear* output;
    nn::LayerNorm norm2;
    nn::Linear* fc1;
    nn::Linear* fc2;
    uint64_t attention_op;
  };
  // Packed rows of a batch: what nn::Rows is for tokens.
  struct ImageRows {
    int64_t S = 0, NP = 0, N = 0, side = 0;
    nn::RowIds ids;           // (N): example and position, for random draws
    Tensor place;             // (N) i32: 0 the class token, 1 + p patch p
    Tensor patches, classes;  // (S NP), (S) i32: which rows they are
    Tensor cu, cu_patches;    // (S+1) i32: bounds of the images, in all rows and among the patches
  };
  Layer make_layer(const std::string& base, int64_t index);
  ImageRows pack(const ImageBatch& images) const;
  Tensor embed(const ImageBatch& images, const ImageRows& rows) const;
  Tensor position_rows(const ImageRows& rows) const;
  // From rows and their norm, made here where it is absent, to the next ones: their norm is by `next` unless null.
  AddNorm block(const Layer& layer, AddNorm x, const ImageRows& rows, const nn::Mode& mode,
                const nn::LayerNorm* next) const;
  Tensor run(const ImageBatch& images, const ImageRows& rows, int64_t blocks, const nn::Mode& mode) const;

  VitConfig config_;
  std::string base_;
  nn::Parameter* class_embedding_;
  nn::Parameter* patch_embedding_;
  std::unique_ptr<nn::Embedding> positions_;
  std::unique_ptr<nn::LayerNorm> pre_norm_, post_norm_;
  std::vector<Layer> layers_;
  nn::Linear* classifier_ = nullptr;
  mutable std::map<int64_t, Tensor> interpolations_;  // by patches along a side, made at first use
};

}  // namespace lowland

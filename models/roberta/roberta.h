// RoBERTa, BERT and DistilBERT: a bidirectional encoder over packed rows, with a classification or regression head, or
// the masked-LM head. What differs among them: models/roberta/kind.h. Parameter names are Hugging Face's.
// paper: Liu et al. 2019, arXiv:1907.11692; Devlin et al. 2019, arXiv:1810.04805; Sanh et al. 2019, arXiv:1910.01108.
#pragma once
#include <memory>
#include <vector>

#include "models/roberta/config.h"
#include "models/text/text_model.h"
#include "nn/embedding.h"
#include "nn/layer_norm.h"

namespace lowland {

enum class RobertaHead { classification, masked_lm };

class Roberta final : public TextModel {
 public:
  Roberta(RobertaConfig config, RobertaHead head);

  // Classification: (S, labels), one selected row per segment, its first. Masked LM: (K, V), the selected rows; where
  // the configuration has label words (K, labels), theirs.
  Tensor forward(const nn::Rows& rows, const nn::Mode& mode) const override;
  // What the head reads: the last block's output at the selected rows, (K, C).
  Tensor encode(const nn::Rows& rows, const nn::Mode& mode) const;

  const RobertaConfig& config() const override { return config_; }
  int64_t head_dim() const override { return config_.head_dim(); }
  RobertaHead head() const { return head_; }

 private:
  struct Layer {
    nn::Linear* qkv;
    nn::Linear* attention_output;
    nn::LayerNorm attention_norm;
    nn::Linear* intermediate;
    nn::Linear* output;
    nn::LayerNorm output_norm;
    uint64_t attention_op, attention_output_op, output_op;
  };
  Layer make_layer(int64_t index);
  Tensor embed(const nn::Rows& rows, const nn::Mode& mode) const;
  Tensor block(const Layer& layer, const Tensor& x, const nn::Rows& rows, const nn::Mode& mode, bool last) const;
  Tensor classify(const Tensor& x, const nn::Rows& rows, const nn::Mode& mode) const;
  Tensor predict_tokens(const Tensor& x, const nn::Rows& rows, const nn::Mode& mode) const;

  RobertaConfig config_;
  RobertaHead head_;
  nn::Embedding *words_, *positions_, *types_ = nullptr;  // null: DistilBERT has none
  std::unique_ptr<nn::LayerNorm> embedding_norm_;
  uint64_t embedding_op_ = 0;
  std::vector<Layer> layers_;
  nn::Linear* dense_ = nullptr;   // the head's inner map: classifier.dense, bert.pooler.dense, lm_head.dense, ...
  nn::Linear* labels_ = nullptr;  // what gives the labels: classifier.out_proj, classifier
  std::unique_ptr<nn::LayerNorm> lm_norm_;
  nn::Parameter* lm_bias_ = nullptr;
  mutable Tensor label_words_;  // (labels) i32, made at first use
  uint64_t head_in_op_ = 0, head_out_op_ = 0;
};

}  // namespace lowland

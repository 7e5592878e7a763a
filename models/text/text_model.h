// TextModel: a network over packed rows of tokens, as a head reads it. Encoders and decoders are such; so one program
// classifies with either.
//
//   ids, segments --network--> the selected rows --head--> (K, V) logits of tokens, or (S, labels)
#pragma once
#include "models/text/config.h"
#include "nn/model.h"
#include "nn/rows.h"

namespace lowland {

class TextModel : public nn::Model {
 public:
  virtual const TextConfig& config() const = 0;
  // What the head gives of the selected rows: of tokens (K, V); of a classifier (S, labels), with one row of each
  // segment selected, head_row's.
  virtual Tensor forward(const nn::Rows& rows, const nn::Mode& mode) const = 0;
  virtual int64_t head_dim() const = 0;  // of attention
  // Longest segment that the positions allow.
  int64_t max_length() const { return config().max_tokens(); }
  // The row that a classifier's head reads, in a text of so many tokens: without padding the last one is the last
  // token.
  int32_t head_row(size_t tokens) const { return config().causal() ? static_cast<int32_t>(tokens) - 1 : 0; }

 protected:
  explicit TextModel(nn::Model* whole = nullptr) : nn::Model(whole) {}
};

}  // namespace lowland

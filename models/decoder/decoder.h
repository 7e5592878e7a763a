// Decoder: what all causal decoders over packed rows have in common: tokens in, logits or loss out, and an output layer
// that may be the table of tokens.
//
//   ids --embed--> rows (N, C) --decode--> the selected rows (K, C) --logits--> (K, V), or --loss--> (1)
// The parts are separate, so that rows of another kind (images) can be put among the embedded tokens.
#pragma once
#include "models/decoder/config.h"
#include "models/text/text_model.h"
#include "nn/embedding.h"

namespace lowland {

class KvCache;

class Decoder : public TextModel {
 public:
  const DecoderConfig& config() const override = 0;
  int64_t head_dim() const override { return config().head_dim; }

  // ids (N) i32 -> (N, C). Throws Error on an id at or above vocab_size.
  virtual Tensor embed(const Tensor& ids) const = 0;
  // x (N, C), one row for each of `rows` (whose ids are not read) -> the selected rows after the last norm,
  // (K, C). With a cache: the rows are those that KvCache::append gave, and see the cached ones before them.
  // Throws Error on a segment longer than max_length().
  virtual Tensor decode(const Tensor& x, const nn::Rows& rows, const nn::Mode& mode,
                        const KvCache* cache = nullptr) const = 0;
  // x (K, C) -> (K, V), of a classifier (K, labels). ids, mode: of the rows, for the dropout of the head's pair.
  Tensor logits(const Tensor& x, const nn::RowIds& ids = {}, const nn::Mode& mode = nn::Mode::evaluation()) const;
  // Cross-entropy of the next tokens: x (K, C), targets (K) i32 -> (1), without whole logits.
  Tensor loss(const Tensor& x, const Tensor& targets, const LinearCrossEntropyOptions& options,
              const nn::RowIds& ids = {}, const nn::Mode& mode = nn::Mode::evaluation()) const;

  // Logits of the selected rows, (K, V), of a classifier (S, labels).
  Tensor forward(const nn::Rows& rows, const nn::Mode& mode) const override;
  // Whether a text of which `cached` tokens are cached must be read anew as a whole with the next `more`.
  virtual bool reads_again(int64_t /*cached*/, size_t /*more*/) const { return false; }

 protected:
  explicit Decoder(nn::Model* whole = nullptr) : TextModel(whole) {}
  // lm_head, over a weight of its own or the table's; of a classifier `score`.
  void make_head(const DecoderConfig& config, const nn::Embedding& tokens);
  void check_rows(const Tensor& x, const nn::Rows& rows) const;
  // Attention of the rows q | k | v, (N, (NH + 2 NKV) HD), with those of the cache before them -> (N, NH HD). options:
  // all but the bounds of segments.
  static Tensor attend(const Tensor& qkv, AttentionOptions options, const nn::Rows& rows, size_t layer,
                       const KvCache* cache);

 private:
  nn::Linear* head_ = nullptr;
};

}  // namespace lowland

// Llama: a causal decoder over packed rows, for Llama 2 to 3.2, TinyLlama, Mistral, Qwen2 to 3, Phi-3, Gemma 2 and 3:
// RMSNorm, rotary positions, grouped-query attention, a gated MLP. Where these part, LlamaKind says so
// (models/llama/kind.h). Parameter names are Hugging Face's; q, k, v are one matrix, and so are gate and up.
// paper: Touvron et al. 2023, arXiv:2302.13971; Gemma Team 2024, arXiv:2408.00118.
//
//   ids --embed--> rows (N, C) --decode--> the selected rows (K, C) --logits--> (K, V), or --loss--> (1)
// The parts are separate, so that rows of another kind (images) can be put among the embedded tokens.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "models/llama/config.h"
#include "models/llama/kv_cache.h"
#include "nn/embedding.h"
#include "nn/model.h"
#include "nn/rms_norm.h"

namespace lowland {

class Llama final : public nn::Model {
 public:
  // As a part of another model its names begin with `base` instead of "model"; the head is lm_head in either.
  explicit Llama(LlamaConfig config, nn::Model* whole = nullptr, const std::string& base = "model");

  // ids (N) i32 -> (N, C), scaled where the kind says so. Throws Error on an id at or above vocab_size.
  Tensor embed(const Tensor& ids) const;
  // x (N, C), one row for each of `rows` (whose ids are not read) -> the selected rows after the last norm,
  // (K, C). With a cache: the rows are those that KvCache::append gave, and see the cached ones before them.
  // Throws Error on a segment longer than max_length().
  Tensor decode(const Tensor& x, const nn::Rows& rows, const nn::Mode& mode, const KvCache* cache = nullptr) const;
  // x (K, C) -> (K, V). ids, mode: of the rows, for the dropout of the head's pair.
  Tensor logits(const Tensor& x, const nn::RowIds& ids = {}, const nn::Mode& mode = nn::Mode::evaluation()) const;
  // Cross-entropy of the next tokens: x (K, C), targets (K) i32 -> (1), without whole logits.
  Tensor loss(const Tensor& x, const Tensor& targets, const LinearCrossEntropyOptions& options,
              const nn::RowIds& ids = {}, const nn::Mode& mode = nn::Mode::evaluation()) const;

  // Logits of the selected rows, (K, V).
  Tensor forward(const nn::Rows& rows, const nn::Mode& mode) const;
  // Longest segment that the positions allow.
  int64_t max_length() const { return config_.max_tokens(); }

  const LlamaConfig& config() const { return config_; }

 private:
  struct HeadNorms {
    nn::RmsNorm query, key;
  };
  struct Layer {
    nn::RmsNorm input_norm;
    nn::Linear* qkv;
    std::optional<HeadNorms> head_norms;
    nn::Linear* output;
    std::optional<nn::RmsNorm> after_attention;
    nn::RmsNorm mlp_norm;
    nn::Linear* gate_up;
    nn::Linear* down;
    std::optional<nn::RmsNorm> after_mlp;
    uint64_t attention_op;
  };
  // What a batch's rows are turned by: frequencies of all, or of texts of several lengths with the table of each row.
  struct Rope {
    Tensor frequencies;  // (HD/2) or (tables, HD/2) f32
    Tensor table;        // (N) i32, or absent
  };
  nn::Linear* make_qkv(const std::string& attention);
  nn::Linear* make_gate_up(const std::string& mlp);
  Layer make_layer(const std::string& base, int64_t index);
  // From rows and their norm, made here where it is absent, to the next ones: their norm is by `next` unless null.
  AddNorm block(size_t index, AddNorm x, const nn::Rows& rows, const Rope& rope, const nn::Mode& mode,
                const KvCache* cache, const nn::RmsNorm* next) const;
  Tensor attend(size_t index, Tensor qkv, const nn::Rows& rows, const Rope& rope, const nn::Mode& mode,
                const KvCache* cache) const;
  void check_rows(const Tensor& x, const nn::Rows& rows) const;
  Rope rope_of(const nn::Rows& rows, const KvCache* cache) const;
  Rope local_rope() const;

  LlamaConfig config_;
  nn::Embedding* tokens_;
  std::vector<Layer> layers_;
  std::unique_ptr<nn::RmsNorm> norm_;
  nn::Linear* head_ = nullptr;                      // over lm_head.weight, or the embedding's
  mutable Tensor frequencies_, local_frequencies_;  // (HD/2) f32, made at first use
};

inline constexpr const char* kLlamaEmbedding = "model.embed_tokens";

}  // namespace lowland

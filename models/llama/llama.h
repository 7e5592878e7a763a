// Llama: a causal decoder over packed rows, for Llama 2 to 3.2, TinyLlama, Mistral, Qwen2 to 3, Phi-3, Gemma 2 and 3:
// RMSNorm, rotary positions, grouped-query attention, a gated MLP. Where these part, LlamaKind says so
// (models/llama/kind.h). Parameter names are Hugging Face's; q, k, v are one matrix, and so are gate and up.
// paper: Touvron et al. 2023, arXiv:2302.13971; Gemma Team 2024, arXiv:2408.00118.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/decoder/decoder.h"
#include "models/decoder/kv_cache.h"
#include "models/llama/config.h"
#include "nn/rms_norm.h"

namespace lowland {

class Llama final : public Decoder {
 public:
  // As a part of another model its names begin with `base` instead of "model"; the head is lm_head in either.
  explicit Llama(LlamaConfig config, nn::Model* whole = nullptr, const std::string& base = "model");

  // Scaled where the kind says so.
  Tensor embed(const Tensor& ids) const override;
  Tensor decode(const Tensor& x, const nn::Rows& rows, const nn::Mode& mode,
                const KvCache* cache = nullptr) const override;
  bool reads_again(int64_t cached, size_t more) const override;

  const LlamaConfig& config() const override { return config_; }

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
  Tensor attend_rotated(size_t index, Tensor qkv, const nn::Rows& rows, const Rope& rope, const nn::Mode& mode,
                        const KvCache* cache) const;
  Rope rope_of(const nn::Rows& rows, const KvCache* cache) const;
  Rope local_rope() const;

  LlamaConfig config_;
  std::string prefix_;  // of the names: model
  nn::Embedding* tokens_;
  std::vector<Layer> layers_;
  std::unique_ptr<nn::RmsNorm> norm_;
  mutable Tensor frequencies_, local_frequencies_;  // (HD/2) f32, made at first use
};

inline constexpr const char* kLlamaEmbedding = "model.embed_tokens";

}  // namespace lowland

// Gpt2: a causal decoder over packed rows, for GPT-2 and DialoGPT: learned positions, LayerNorm before attention and
// MLP, gelu, an output layer that is the table of tokens. Parameter names are Hugging Face's; files hold the matrices
// of linear layers as (in, out), and q, k and v are one module, c_attn.
// paper: Radford et al. 2019, Language Models are Unsupervised Multitask Learners; Zhang et al. 2019, arXiv:1911.00536.
#pragma once
#include <memory>
#include <vector>

#include "models/decoder/decoder.h"
#include "models/gpt2/config.h"
#include "nn/layer_norm.h"

namespace lowland {

class Gpt2 final : public Decoder {
 public:
  explicit Gpt2(Gpt2Config config);

  Tensor embed(const Tensor& ids) const override;  // of tokens alone: decode adds the positions
  Tensor decode(const Tensor& x, const nn::Rows& rows, const nn::Mode& mode,
                const KvCache* cache = nullptr) const override;
  const Gpt2Config& config() const override { return config_; }

 private:
  struct Layer {
    nn::LayerNorm norm_1;
    nn::Linear *qkv, *output;
    nn::LayerNorm norm_2;
    nn::Linear *up, *down;
    uint64_t attention_op, output_op, down_op;
  };
  nn::Linear* conv(const std::string& module, int64_t out, int64_t in);
  Layer make_layer(int64_t index);
  // From rows and their norm, made here where it is absent, to the next ones: their norm is by `next` unless null.
  AddNorm block(size_t index, AddNorm x, const nn::Rows& rows, const nn::Mode& mode, const KvCache* cache,
                const nn::LayerNorm* next) const;

  Gpt2Config config_;
  nn::Embedding* tokens_;
  std::unique_ptr<nn::Embedding> positions_;  // no table of tokens(): it takes no pair
  uint64_t embedding_op_;
  std::vector<Layer> layers_;
  std::unique_ptr<nn::LayerNorm> norm_;
};

// The op that a configuration's activation_function names; null for another one.
using Activation = Tensor (*)(const Tensor&);
Activation gpt2_activation(const std::string& name);
std::string gpt2_activation_names();  // "gelu_new, ... and relu"

// What a GPT-2 says of its files and adapters.
HubFamily gpt2_family(const Gpt2Config& config = {});

}  // namespace lowland

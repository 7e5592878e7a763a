#include "models/llama/llama.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/nvtx.h"
#include "nn/block_cache.h"

namespace lowland {

using nn::Bias;
using nn::Linear;
using nn::Mode;
using nn::Rows;

namespace {

Bias bias_if(bool on) { return on ? Bias::learnt : Bias::none; }

}  // namespace

Llama::Llama(LlamaConfig config, nn::Model* whole, const std::string& base)
    : Decoder(whole), config_(std::move(config)), prefix_(base) {
  const int64_t C = config_.hidden_size, V = config_.vocab_size;
  tokens_ = own(std::make_unique<nn::Embedding>(parameters_, base + ".embed_tokens", V, C));
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) layers_.push_back(make_layer(base, i));
  norm_ = std::make_unique<nn::RmsNorm>(parameters_, base + ".norm", C, config_.rms_norm_eps, config_.kind().plus_one);
  make_head(config_, *tokens_);
}

Linear* Llama::make_qkv(const std::string& attention) {
  const int64_t q = config_.num_attention_heads * config_.head_dim;
  const int64_t kv = config_.num_key_value_heads * config_.head_dim;
  std::vector<Linear::Part> parts{{attention + "q_proj", q}, {attention + "k_proj", kv}, {attention + "v_proj", kv}};
  if (config_.kind().fused) parts = {{attention + "qkv_proj", q + 2 * kv}};
  return own(std::make_unique<Linear>(parameters_, parts, config_.hidden_size, bias_if(config_.qkv_bias)));
}

Linear* Llama::make_gate_up(const std::string& mlp) {
  const int64_t F = config_.intermediate_size;
  std::vector<Linear::Part> parts{{mlp + "gate_proj", F}, {mlp + "up_proj", F}};
  if (config_.kind().fused) parts = {{mlp + "gate_up_proj", 2 * F}};
  return own(std::make_unique<Linear>(parameters_, parts, config_.hidden_size, bias_if(config_.mlp_bias)));
}

Llama::Layer Llama::make_layer(const std::string& base, int64_t index) {
  const LlamaKind& kind = config_.kind();
  const int64_t C = config_.hidden_size, F = config_.intermediate_size, HD = config_.head_dim;
  const int64_t q = config_.num_attention_heads * HD;
  const std::string prefix = fmt::format("{}.layers.{}.", base, index);
  const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
  nn::ParameterSet& set = parameters_;
  const nn::BlockScope block(set);
  const auto norm = [&](const std::string& module, int64_t width) {
    return nn::RmsNorm(set, module, width, config_.rms_norm_eps, kind.plus_one);
  };
  const auto if_after = [&](const char* module) {
    return kind.norms_after ? std::optional(norm(prefix + module, C)) : std::nullopt;
  };
  const auto head_norms = [&] { return HeadNorms{norm(attention + "q_norm", HD), norm(attention + "k_norm", HD)}; };
  return {norm(prefix + "input_layernorm", C),
          make_qkv(attention),
          kind.head_norms ? std::optional(head_norms()) : std::nullopt,
          own(std::make_unique<Linear>(set, attention + "o_proj", C, q, bias_if(config_.output_bias))),
          if_after("post_attention_layernorm"),
          norm(prefix + (kind.norms_after ? "pre_feedforward_layernorm" : "post_attention_layernorm"), C),
          make_gate_up(mlp),
          own(std::make_unique<Linear>(set, mlp + "down_proj", C, F, bias_if(config_.mlp_bias))),
          if_after("post_feedforward_layernorm"),
          set.next_op()};
}

// Where frequencies depend on the length of a text (LlamaConfig::rope_limit), each segment has those of its own, as if
// it were alone; with a cache, of what is cached and the new tokens: keys keep what they were turned by. The batch's
// bound on lengths decides whether the host looks, which it cannot do in a captured graph: the bound is in its key.
Llama::Rope Llama::rope_of(const Rows& rows, const KvCache* cache) const {
  const int64_t half = config_.rotary_dim() / 2, limit = config_.rope_limit();
  if (!frequencies_) frequencies_ = Tensor::from<float>(context(), {half}, rope_frequencies(config_));  // (HD/2)
  const int32_t* bounds = rows.cu_seqlens.host();
  const auto length_of = [&](int64_t s) -> int64_t { return cache ? cache->length(s) : bounds[s + 1] - bounds[s]; };
  int64_t longest = rows.longest;
  for (int64_t s = 0; cache && s < rows.S; ++s) longest = std::max(longest, length_of(s));
  if (longest <= limit) return {frequencies_, {}};
  const bool one_beyond = config_.rope_scaling.type == "longrope";  // the same for all lengths beyond the limit
  std::map<int64_t, int32_t> tables;
  std::vector<float> frequencies;
  std::vector<int32_t> table(rows.N, 0);
  for (int64_t s = 0; s < rows.S; ++s) {
    const int64_t own = length_of(s), length = own <= limit ? limit : one_beyond ? limit + 1 : own;
    const auto [at, fresh] = tables.emplace(length, static_cast<int32_t>(tables.size()));
    if (fresh) {
      const std::vector<float> f = rope_frequencies(config_, length);
      frequencies.insert(frequencies.end(), f.begin(), f.end());
    }
    std::fill(table.begin() + bounds[s], table.begin() + bounds[s + 1], at->second);
  }
  return {Tensor::from<float>(context(), {static_cast<int64_t>(tables.size()), half}, frequencies),  // (tables, HD/2)
          Tensor::from<int32_t>(context(), {rows.N}, table)};                                        // (N)
}

Llama::Rope Llama::local_rope() const {
  if (config_.rope_local_base_freq == 0) return {};
  if (!local_frequencies_)
    local_frequencies_ = Tensor::from<float>(context(), {config_.rotary_dim() / 2}, local_rope_frequencies(config_));
  return {local_frequencies_, {}};
}

Tensor Llama::embed(const Tensor& ids) const {
  arena().refresh();                                // the table may be trained
  const Tensor x = tokens_->forward(ids, dtype());  // (N, C)
  if (!config_.kind().scaled_embedding) return x;
  const auto root = static_cast<float>(std::sqrt(static_cast<double>(config_.hidden_size)));
  // Rounded to what the forward computes in, as in transformers.
  return ops::scale(x, dtype() == DType::bf16 ? static_cast<float>(bf16(root)) : root);  // (N, C)
}

Tensor Llama::attend_rotated(size_t index, Tensor qkv, const Rows& rows, const Rope& rope, const Mode& mode,
                             const KvCache* cache) const {
  const int64_t NH = config_.num_attention_heads, NKV = config_.num_key_value_heads, HD = config_.head_dim;
  const bool local = config_.local(static_cast<int64_t>(index)), part = config_.rotary_dim() != HD;
  const double factor = local ? 1 : config_.rope_scaling.attention_factor;  // of all cosines and sines
  if (const auto& norms = layers_[index].head_norms)
    qkv = norms->query.forward_heads(qkv, NH, norms->key, NKV);  // (N, (NH + 2 NKV) HD)
  qkv = ops::rope(std::move(qkv), rows.all.position, rope.frequencies, NH + NKV, rope.table, HD,
                  part ? factor : 1);  // (N, (NH + 2 NKV) HD)
  AttentionOptions options;
  options.heads = NH;
  options.kv_heads = NKV;
  options.head_dim = HD;
  options.causal = true;
  options.window = config_.window_of(static_cast<int64_t>(index));
  options.soft_cap = config_.attn_logit_softcapping;
  const double width = config_.query_pre_attn_scalar > 0 ? config_.query_pre_attn_scalar : static_cast<double>(HD);
  options.scale = 1 / std::sqrt(width);
  // Where all of a head is rotated, that factor is one of queries and of keys.
  if (factor != 1 && !part) options.scale = factor * factor / std::sqrt(width);
  options.dropout = mode.dropout(config_.attention_dropout, layers_[index].attention_op, rows.all);
  return attend(qkv, options, rows, index, cache);  // (N, NH HD)
}

AddNorm Llama::block(size_t index, AddNorm x, const Rows& rows, const Rope& rope, const Mode& mode,
                     const KvCache* cache, const nn::RmsNorm* next) const {
  const Layer& layer = layers_[index];
  const nn::Gathered matrices = gathered(*layer.qkv);
  // After the last attention only the selected rows are read by the head: from there on, only they are
  // computed.
  const bool narrow = index + 1 == layers_.size() && rows.K < rows.N;
  const nn::RowIds& out_rows = narrow ? rows.selected : rows.all;
  if (!x.norm) x.norm = layer.input_norm.forward(x.sum);                                                  // (N, C)
  Tensor o = attend_rotated(index, layer.qkv->forward(x.norm, rows.all, mode), rows, rope, mode, cache);  // (N, NH HD)
  if (narrow) o = ops::gather_rows(o, rows.select);                                                       // (K, NH HD)
  o = layer.output->forward(o, out_rows, mode);                                                           // (K or N, C)
  if (layer.after_attention) o = layer.after_attention->forward(o);                                       // (K or N, C)
  x = layer.mlp_norm.forward(o, narrow ? ops::gather_rows(x.sum, rows.select) : x.sum);                   // (K or N, C)
  o = layer.gate_up->forward(std::exchange(x.norm, {}), out_rows, mode);               // (K or N, 2 F)
  o = config_.kind().gelu ? ops::geglu(o) : ops::swiglu(o);                            // (K or N, F)
  o = layer.down->forward(o, out_rows, mode);                                          // (K or N, C)
  if (layer.after_mlp) o = layer.after_mlp->forward(o);                                // (K or N, C)
  return next != nullptr ? next->forward(o, x.sum) : AddNorm{ops::add(x.sum, o), {}};  // (K or N, C)
}

Tensor Llama::decode(const Tensor& x, const Rows& rows, const Mode& mode, const KvCache* cache) const {
  check_rows(x, rows);
  arena().refresh();
  const Rope far = rope_of(rows, cache), near = local_rope();
  const auto blocks = [&](AddNorm h, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const nvtx::Range range(fmt::format("layer.{}", i).c_str());
      const Rope& rope = config_.local(static_cast<int64_t>(i)) ? near : far;
      const nn::RmsNorm* last = rows.K < rows.N ? norm_.get() : nullptr;  // not where rows are gathered before it
      const nn::RmsNorm* next = i + 1 == layers_.size() ? last : i + 1 < end ? &layers_[i + 1].input_norm : nullptr;
      const auto run = [this, i, rows, rope, mode](const Tensor& in) {
        return block(i, {in, {}}, rows, rope, mode, nullptr, nullptr).sum;
      };
      if (recompute() && cache == nullptr && end == layers_.size()) {
        h.sum = checkpoint(run, h.sum);  // (N, C); last: (K, C)
      } else {
        h = block(i, std::move(h), rows, rope, mode, cache, next);  // (N, C); last: (K, C)
      }
    }
    return h;
  };
  nn::FromBlock kept{x, 0};
  if (cache == nullptr)
    kept = nn::kept_blocks(*this, prefix_ + ".layers.", std::ssize(layers_), x, rows, mode,
                           config_.attention_dropout > 0, [&](const Tensor& in, int64_t end) {
                             return blocks({in, {}}, 0, end).sum;
                           });
  AddNorm h = blocks({kept.x, {}}, kept.next, layers_.size());         // (K, C); (N, C) where all rows are selected
  if (rows.K == rows.N) h.sum = ops::gather_rows(h.sum, rows.select);  // (K, C)
  return h.norm ? h.norm : norm_->forward(h.sum);                      // (K, C)
}

// A Phi-3 whose text outgrows the short factors of its rope is read again as a whole with the long ones, as in
// transformers.
bool Llama::reads_again(int64_t cached, size_t more) const {
  const int64_t limit = config_.rope_limit();
  return config_.kind().fused && cached > 0 && cached <= limit && cached + static_cast<int64_t>(more) > limit;
}

}  // namespace lowland

#include "models/gpt2/gpt2.h"

#include <fmt/format.h>

#include <utility>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/nvtx.h"
#include "nn/block_cache.h"

namespace lowland {

using nn::Linear;
using nn::Mode;
using nn::Rows;

namespace {

constexpr const char* kBlocks = "transformer.h.";

}  // namespace

Gpt2::Gpt2(Gpt2Config config) : config_(std::move(config)) {
  const int64_t C = config_.hidden_size;
  tokens_ = own(std::make_unique<nn::Embedding>(parameters_, "transformer.wte", config_.vocab_size, C));
  positions_ = std::make_unique<nn::Embedding>(parameters_, "transformer.wpe", config_.max_position_embeddings, C);
  embedding_op_ = parameters_.next_op();
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) layers_.push_back(make_layer(i));
  norm_ = std::make_unique<nn::LayerNorm>(parameters_, "transformer.ln_f", C, config_.layer_norm_epsilon);
  make_head(config_, *tokens_);
}

Linear* Gpt2::conv(const std::string& module, int64_t out, int64_t in) {
  Linear* linear = own(std::make_unique<Linear>(parameters_, module, out, in));
  linear->weight().input_first = true;
  return linear;
}

Gpt2::Layer Gpt2::make_layer(int64_t index) {
  const int64_t C = config_.hidden_size, F = config_.ffn();
  const std::string prefix = fmt::format("{}{}.", kBlocks, index);
  const nn::BlockScope block(parameters_);
  const auto norm = [&](const char* name) {
    return nn::LayerNorm(parameters_, prefix + name, C, config_.layer_norm_epsilon);
  };
  return {norm("ln_1"),
          conv(prefix + "attn.c_attn", 3 * C, C),
          conv(prefix + "attn.c_proj", C, C),
          norm("ln_2"),
          conv(prefix + "mlp.c_fc", F, C),
          conv(prefix + "mlp.c_proj", C, F),
          parameters_.next_op(),
          parameters_.next_op(),
          parameters_.next_op()};
}

Tensor Gpt2::embed(const Tensor& ids) const {
  arena().refresh();                      // the table may be trained
  return tokens_->forward(ids, dtype());  // (N, C)
}

AddNorm Gpt2::block(size_t index, AddNorm x, const Rows& rows, const Mode& mode, const KvCache* cache,
                    const nn::LayerNorm* next) const {
  const Layer& layer = layers_[index];
  const nn::Gathered matrices = gathered(*layer.qkv);
  // After the last attention only the selected rows are read by the head: from there on, only they are computed.
  const bool narrow = index + 1 == layers_.size() && rows.K < rows.N;
  const nn::RowIds& out_rows = narrow ? rows.selected : rows.all;
  const auto drop = [&](const Tensor& y, uint64_t op) {
    return ops::dropout(y, mode.dropout(config_.resid_pdrop, op, out_rows));
  };
  AttentionOptions options;
  options.heads = options.kv_heads = config_.num_attention_heads;
  options.head_dim = config_.head_dim;
  options.causal = true;
  options.scale = config_.attention_scale(static_cast<int64_t>(index));
  options.dropout = mode.dropout(config_.attn_pdrop, layer.attention_op, rows.all);
  if (!x.norm) x.norm = layer.norm_1.forward(x.sum);                                           // (N, C)
  Tensor o = attend(layer.qkv->forward(x.norm, rows.all, mode), options, rows, index, cache);  // (N, C)
  if (narrow) o = ops::gather_rows(o, rows.select);                                            // (K, C)
  o = drop(layer.output->forward(o, out_rows, mode), layer.output_op);                         // (K or N, C)
  x = layer.norm_2.forward(o, narrow ? ops::gather_rows(x.sum, rows.select) : x.sum);          // (K or N, C)
  o = layer.up->forward(std::exchange(x.norm, {}), out_rows, mode);                            // (K or N, F)
  o = gpt2_activation(config_.activation_function)(o);                                         // (K or N, F)
  o = drop(layer.down->forward(o, out_rows, mode), layer.down_op);                             // (K or N, C)
  return next != nullptr ? next->forward(o, x.sum) : AddNorm{ops::add(x.sum, o), {}};          // (K or N, C)
}

Tensor Gpt2::decode(const Tensor& x, const Rows& rows, const Mode& mode, const KvCache* cache) const {
  check_rows(x, rows);
  arena().refresh();
  const Tensor positions = positions_->forward(rows.all.position, dtype());  // (N, C)
  const Tensor embedded =
      ops::dropout(ops::add(x, positions), mode.dropout(config_.embd_pdrop, embedding_op_, rows.all));  // (N, C)
  const auto blocks = [&](AddNorm h, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const nvtx::Range range(fmt::format("layer.{}", i).c_str());
      const nn::LayerNorm* last = rows.K < rows.N ? norm_.get() : nullptr;  // not where rows are gathered before it
      const nn::LayerNorm* next = i + 1 == layers_.size() ? last : i + 1 < end ? &layers_[i + 1].norm_1 : nullptr;
      const auto run = [this, i, rows, mode](const Tensor& in) {
        return block(i, {in, {}}, rows, mode, nullptr, nullptr).sum;
      };
      if (recompute() && cache == nullptr && end == layers_.size()) {
        h.sum = checkpoint(run, h.sum);  // (N, C); last: (K, C)
      } else {
        h = block(i, std::move(h), rows, mode, cache, next);  // (N, C); last: (K, C)
      }
    }
    return h;
  };
  nn::FromBlock kept{embedded, 0};
  if (cache == nullptr)
    kept = nn::kept_blocks(*this, kBlocks, std::ssize(layers_), embedded, rows, mode,
                           config_.resid_pdrop > 0 || config_.attn_pdrop > 0, [&](const Tensor& in, int64_t end) {
                             return blocks({in, {}}, 0, end).sum;
                           });
  AddNorm h = blocks({kept.x, {}}, kept.next, layers_.size());         // (K, C); (N, C) where all rows are selected
  if (rows.K == rows.N) h.sum = ops::gather_rows(h.sum, rows.select);  // (K, C)
  return h.norm ? h.norm : norm_->forward(h.sum);                      // (K, C)
}

}  // namespace lowland

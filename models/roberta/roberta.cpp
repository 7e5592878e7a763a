#include "models/roberta/roberta.h"

#include <fmt/format.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/nvtx.h"
#include "nn/block_cache.h"

namespace lowland {

using nn::Linear;
using nn::Mode;
using nn::Rows;

Roberta::Roberta(RobertaConfig config, RobertaHead head) : config_(std::move(config)), head_(head) {
  const int64_t C = config_.hidden_size;
  LL_CHECK(config_.num_attention_heads > 0 && C % config_.num_attention_heads == 0,
           "hidden_size {} is not a multiple of num_attention_heads {}", C, config_.num_attention_heads);
  const EncoderKind& kind = config_.kind();
  const std::string embeddings = std::string(kind.base) + ".embeddings.";
  const auto table = [&](const char* name, int64_t entries) {
    return own(std::make_unique<nn::Embedding>(parameters_, embeddings + name, entries, C));
  };
  words_ = table("word_embeddings", config_.vocab_size);
  positions_ = table("position_embeddings", config_.max_position_embeddings);
  if (kind.token_types) types_ = table("token_type_embeddings", config_.type_vocab_size);
  embedding_norm_ = std::make_unique<nn::LayerNorm>(parameters_, embeddings + "LayerNorm", C, config_.layer_norm_eps);
  embedding_op_ = parameters_.next_op();
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) layers_.push_back(make_layer(i));
  if (head_ == RobertaHead::classification) {
    dense_ = own(std::make_unique<Linear>(parameters_, kind.dense, C, C));
    labels_ = own(std::make_unique<Linear>(parameters_, kind.labels, config_.num_labels, C));
  } else {
    dense_ = own(std::make_unique<Linear>(parameters_, kind.lm_dense, C, C));
    lm_norm_ = std::make_unique<nn::LayerNorm>(parameters_, kind.lm_norm, C, config_.layer_norm_eps);
    lm_bias_ = &parameters_.add(kind.lm_bias, {config_.vocab_size}, nn::Init::zeros, false);
  }
  head_in_op_ = parameters_.next_op();
  head_out_op_ = parameters_.next_op();
}

Roberta::Layer Roberta::make_layer(int64_t index) {
  const int64_t C = config_.hidden_size, F = config_.intermediate_size;
  const EncoderKind& kind = config_.kind();
  const std::string prefix = fmt::format("{}.{}.{}.", kind.base, kind.layers, index);
  const double eps = config_.layer_norm_eps;
  nn::ParameterSet& set = parameters_;
  const nn::BlockScope block(set);
  using Parts = std::vector<Linear::Part>;
  return {own(std::make_unique<Linear>(
              set, Parts{{prefix + kind.query, C}, {prefix + kind.key, C}, {prefix + kind.value, C}}, C)),
          own(std::make_unique<Linear>(set, prefix + kind.attention, C, C)),
          nn::LayerNorm(set, prefix + kind.attention_norm, C, eps),
          own(std::make_unique<Linear>(set, prefix + kind.intermediate, F, C)),
          own(std::make_unique<Linear>(set, prefix + kind.output, C, F)),
          nn::LayerNorm(set, prefix + kind.output_norm, C, eps),
          set.next_op(),
          set.next_op(),
          set.next_op()};
}

Tensor Roberta::embed(const Rows& rows, const Mode& mode) const {
  const Tensor position = positions_->forward(rows.all.position, dtype(), config_.first_position());  // (N, C)
  Tensor type;
  if (types_ != nullptr) {
    const bool given = rows.typed && config_.kind().pair_types;
    type = types_->forward(given ? rows.types : Tensor::zeros(rows.ids.context(), {rows.N}, DType::i32),
                           dtype());  // (N, C)
  }
  Tensor x = words_->forward(rows.ids, dtype());  // (N, C)
  if (types_ != nullptr) x = ops::add(x, type);
  return ops::dropout(embedding_norm_->forward(position, x).norm,
                      mode.dropout(config_.hidden_dropout_prob, embedding_op_, rows.all));  // (N, C)
}

Tensor Roberta::block(const Layer& layer, const Tensor& x, const Rows& rows, const Mode& mode, bool last) const {
  const nn::Gathered matrices = gathered(*layer.qkv);
  // After the last attention only the selected rows are read by the head: from its queries on, only they are computed.
  const bool narrow = last && rows.K < rows.N;
  const nn::RowIds& out_rows = narrow ? rows.selected : rows.all;
  AttentionOptions options;
  options.heads = options.kv_heads = config_.num_attention_heads;
  options.head_dim = config_.hidden_size / config_.num_attention_heads;
  options.cu_k = rows.cu_seqlens;
  options.cu_q = narrow ? rows.cu_select : rows.cu_seqlens;
  options.max_q = narrow ? rows.longest_select : rows.longest;
  options.max_k = rows.longest;
  options.dropout = mode.dropout(config_.attention_probs_dropout_prob, layer.attention_op, out_rows);

  Tensor residual = x, o;
  if (narrow) {
    residual = ops::gather_rows(x, rows.select);                                     // (K, C)
    const Tensor q = layer.qkv->forward_parts(residual, 0, 1, rows.selected, mode);  // (K, C)
    const Tensor kv = layer.qkv->forward_parts(x, 1, 2, rows.all, mode);             // (N, 2 C)
    o = ops::attention(q, kv, options);                                              // (K, C)
  } else {
    o = ops::attention(layer.qkv->forward(x, rows.all, mode), options);  // (N, C)
  }
  const double p = config_.hidden_dropout_prob, p_attention = config_.kind().attention_dropout ? p : 0;
  o = layer.attention_output->forward(o, out_rows, mode);  // (K or N, C)
  const Tensor h =
      layer.attention_norm.forward(o, residual, mode.dropout(p_attention, layer.attention_output_op, out_rows));
  Tensor f = ops::gelu(layer.intermediate->forward(h, out_rows, mode));  // (K or N, F)
  f = layer.output->forward(f, out_rows, mode);                          // (K or N, C)
  return layer.output_norm.forward(f, h, mode.dropout(p, layer.output_op, out_rows));
}

Tensor Roberta::encode(const Rows& rows, const Mode& mode) const {
  LL_CHECK(rows.K > 0, "no row of the batch is selected");
  arena().refresh();
  const auto blocks = [&](Tensor x, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const nvtx::Range range(fmt::format("layer.{}", i).c_str());
      const Layer& layer = layers_[i];
      const bool last = i + 1 == layers_.size();
      const auto run = [this, &layer, rows, mode, last](const Tensor& in) {
        return block(layer, in, rows, mode, last);
      };
      x = recompute() && end == layers_.size() ? checkpoint(run, x) : run(x);  // (N, C); last: (K, C)
    }
    return x;
  };
  const bool drops = config_.hidden_dropout_prob > 0 || config_.attention_probs_dropout_prob > 0;
  const nn::FromBlock kept = nn::kept_blocks(*this, fmt::format("{}.{}.", config_.kind().base, config_.kind().layers),
                                             std::ssize(layers_), embed(rows, mode), rows, mode, drops,
                                             [&](const Tensor& x, int64_t end) { return blocks(x, 0, end); });
  const Tensor x = blocks(kept.x, kept.next, layers_.size());      // (K, C); (N, C) where all rows are selected
  return rows.K == rows.N ? ops::gather_rows(x, rows.select) : x;  // (K, C)
}

Tensor Roberta::forward(const Rows& rows, const Mode& mode) const {
  const Tensor x = encode(rows, mode);  // (K, C)
  return head_ == RobertaHead::classification ? classify(x, rows, mode) : predict_tokens(x, rows, mode);
}

Tensor Roberta::classify(const Tensor& x, const Rows& rows, const Mode& mode) const {
  const EncoderKind& kind = config_.kind();
  const double p = config_.head_dropout(), p_first = kind.dropout_first ? p : 0;
  Tensor h = ops::dropout(x, mode.dropout(p_first, head_in_op_, rows.selected));  // (S, C)
  h = dense_->forward(h, rows.selected, mode);                                    // (S, C)
  h = kind.relu ? ops::relu(h) : ops::tanh(h);                                    // (S, C)
  h = ops::dropout(h, mode.dropout(p, head_out_op_, rows.selected));              // (S, C)
  return labels_->forward(h, rows.selected, mode);                                // (S, labels)
}

Tensor Roberta::predict_tokens(const Tensor& x, const Rows& rows, const Mode& mode) const {
  const Tensor h = lm_norm_->forward(ops::gelu(dense_->forward(x, rows.selected, mode)));  // (K, C)
  const Tensor& table = words_->weight().value;                                            // (V, C)
  if (config_.label_words.empty()) return ops::linear(h, table, lm_bias_->value);          // (K, V)
  const auto labels = static_cast<int64_t>(config_.label_words.size());
  if (!label_words_) label_words_ = Tensor::from<int32_t>(context(), {labels}, config_.label_words);
  const Tensor rows_of_words = ops::embedding(label_words_, table, dtype());                             // (L, C)
  const Tensor bias = ops::gather_rows(lm_bias_->value.reshape({config_.vocab_size, 1}), label_words_);  // (L, 1)
  return ops::linear(h, rows_of_words, bias.reshape({labels}));                                          // (K, L)
}

}  // namespace lowland

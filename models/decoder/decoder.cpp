#include "models/decoder/decoder.h"

#include <algorithm>
#include <numeric>

#include "engine/autograd.h"
#include "engine/error.h"
#include "models/decoder/kv_cache.h"

namespace lowland {

using nn::Linear;
using nn::Mode;
using nn::Rows;

void Decoder::make_head(const DecoderConfig& config, const nn::Embedding& tokens) {
  const int64_t C = config.hidden_size, V = config.vocab_size;
  if (config.classifies) {
    head_ = own(std::make_unique<Linear>(parameters_, kScore, config.num_labels, C, nn::Bias::none));
    return;
  }
  head_ = own_output(config.own_head() ? std::make_unique<Linear>(parameters_, "lm_head", V, C, nn::Bias::none)
                                       : std::make_unique<Linear>(parameters_, "lm_head", tokens.weight()));
}

void Decoder::check_rows(const Tensor& x, const Rows& rows) const {
  const int64_t C = config().hidden_size;
  LL_CHECK(rows.K > 0, "no row of the batch is selected");
  LL_CHECK(x.rank() == 2 && x.dim(0) == rows.N && x.dim(1) == C, "the decoder takes ({},{}) embedded rows, not {}",
           rows.N, C, describe(x));
  const int32_t* bounds = rows.cu_seqlens.host();
  for (int64_t s = 0; s < rows.S; ++s)
    LL_CHECK(bounds[s + 1] - bounds[s] <= max_length(), "segment {} has {} tokens; the longest the model takes is {}",
             s, bounds[s + 1] - bounds[s], max_length());
}

Tensor Decoder::attend(const Tensor& qkv, AttentionOptions options, const Rows& rows, size_t layer,
                       const KvCache* cache) {
  if (cache == nullptr) {
    options.cu_q = rows.cu_seqlens;
    options.max_q = options.max_k = rows.longest;
    return ops::attention(qkv, options);  // (N, NH HD)
  }
  const Tensor& kv = cache->layer(layer);  // (cached rows, 2 NKV HD)
  ops::scatter_rows(kv, qkv, cache->new_rows(), options.heads * options.head_dim);
  options.cu_q = cache->cu_q();
  options.cu_k = cache->cu_k();
  return ops::attention(qkv, kv, options);  // (N, NH HD)
}

Tensor Decoder::logits(const Tensor& x, const nn::RowIds& ids, const Mode& mode) const {
  const Tensor y = head_->forward(x, ids, mode);  // (K, V)
  const double cap = config().classifies ? 0 : config().final_logit_softcapping;
  return cap > 0 ? ops::soft_cap(y, cap) : y;  // (K, V)
}

Tensor Decoder::loss(const Tensor& x, const Tensor& targets, const LinearCrossEntropyOptions& options,
                     const nn::RowIds& ids, const Mode& mode) const {
  if (!head_->adapted() && !head_->probe()) {
    LinearCrossEntropyOptions capped = options;
    capped.soft_cap = config().final_logit_softcapping;
    return ops::linear_cross_entropy(x, head_->weight().value, targets, capped);  // (1)
  }
  // With a pair the logits of some rows at a time are made, and made again in the backward pass.
  const int64_t K = x.dim(0);
  const int64_t chunk =
      options.chunk_rows > 0 ? options.chunk_rows : ops::logits_rows(context(), K, config().vocab_size);
  Tensor sum;  // (1)
  for (int64_t begin = 0; begin < K; begin += chunk) {
    const int64_t end = std::min(begin + chunk, K);
    const auto some = [&](const Tensor& t) { return t ? t.slice_rows(begin, end) : t; };
    const nn::RowIds rows{some(ids.example), some(ids.position)};
    const Tensor wanted = some(targets);
    const auto run = [this, rows, mode, wanted, options](const Tensor& in) {
      return ops::cross_entropy(logits(in, rows, mode), wanted, options);  // (1)
    };
    if (end - begin == K) return run(x);
    std::vector<int32_t> which(end - begin);
    std::iota(which.begin(), which.end(), static_cast<int32_t>(begin));
    const Tensor part = ops::gather_rows(x, Tensor::from<int32_t>(context(), {end - begin}, which));  // (chunk, C)
    const Tensor l = checkpoint(run, part);
    sum = sum ? ops::add(sum, l) : l;
  }
  return sum;
}

Tensor Decoder::forward(const Rows& rows, const Mode& mode) const {
  return logits(decode(embed(rows.ids), rows, mode), rows.selected, mode);  // (K, V)
}

}  // namespace lowland

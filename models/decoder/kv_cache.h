// KvCache: the keys and values of tokens that a decoder has seen, for several sequences at once.
//
// One matrix per layer, (all positions, 2 NKV HD): keys | values, after the rotary embedding. Sequence s owns
// the rows [start_s, start_s + capacity_s), the first length_s of them filled. Attention sees each sequence
// as two segments, the filled rows and the empty ones after them, which no query belongs to: so nothing moves
// as sequences grow.
#pragma once
#include <cstdint>
#include <vector>

#include "models/decoder/config.h"
#include "nn/rows.h"

namespace lowland {

class KvCache {
 public:
  // capacities: the most tokens that each sequence will hold. Throws Error where that does not fit into free memory.
  KvCache(Context& context, const DecoderConfig& config, DType dtype, std::vector<int64_t> capacities);

  // Makes room for new tokens of each sequence (none: an empty list), and gives their rows, packed, with each
  // sequence's last row selected. Llama::decode with these rows fills it. Throws Error where a sequence would
  // outgrow its capacity.
  nn::Rows append(const std::vector<std::vector<int32_t>>& tokens);
  // Sequence `to` becomes what `from` is, whose first `same` tokens it has already.
  struct Copy {
    size_t from, to;
    int64_t same;
  };
  // All at once: what one gives, another may overwrite.
  void copy(const std::vector<Copy>& copies);
  // Forgets all but the first `length` tokens of a sequence.
  void cut(size_t sequence, int64_t length);

  size_t sequences() const { return length_.size(); }
  int64_t length(size_t sequence) const { return length_[sequence]; }
  int64_t capacity(size_t sequence) const { return start_[sequence + 1] - start_[sequence]; }

  // --- for the decoder: of the tokens appended last
  const Tensor& layer(size_t index) const { return layers_[index]; }  // (all positions, 2 NKV HD)
  const Tensor& new_rows() const { return new_rows_; }                // (N) i32: where their keys and values belong
  const Tensor& cu_q() const { return cu_q_; }                        // (2 S + 1) i32
  const Tensor& cu_k() const { return cu_k_; }                        // (2 S + 1) i32

 private:
  Context& context_;
  std::vector<int64_t> start_;  // first row of each sequence, and the end
  std::vector<int64_t> length_;
  std::vector<Tensor> layers_;
  Tensor new_rows_, cu_q_, cu_k_;
};

}  // namespace lowland

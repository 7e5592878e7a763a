// Rows: the packed token rows of one micro-batch, and what each row is. There is no padding: segment i is the rows
// [cu_seqlens[i], cu_seqlens[i+1]).
//
// A step that is captured as a CUDA graph needs the same sizes again and again. In buckets, N, S, K and the longest
// segment are rounded up: missing segments have no rows; rows behind the last segment belong to none, hold valid ids
// and carry no target. Nothing reads them, and their gradients are zero.
#pragma once
#include <string>
#include <vector>

#include "engine/ops/ops.h"

namespace lowland::nn {

struct Segment {
  std::vector<int32_t> ids;
  int64_t example = 0;              // index of the example in the step: random draws depend on it, not on the packing
  std::vector<int32_t> select;      // rows of the segment whose outputs are wanted
  std::vector<int32_t> types = {};  // token types: 0 and 1 of a pair's texts; empty: all 0
};

// What each row is, for random draws and position embeddings.
struct RowIds {
  Tensor example;   // (N) i32, index of the row's example in the step
  Tensor position;  // (N) i32, from 0 in each segment
};

enum class Pack : uint8_t {
  exact,            // as many rows as there are tokens
  buckets,          // N, S, K and the longest segment rounded up
  bucketed_tokens,  // N and the longest segment only: for losses that cannot leave rows out
};

struct Rows {
  Tensor ids;         // (N) i32, tokens
  RowIds all;         // of the N rows
  Tensor cu_seqlens;  // (S+1) i32
  // The K rows whose outputs are wanted: each segment's first row for a classifier, the masked ones for an MLM.
  Tensor select;     // (K) i32, indices of rows
  RowIds selected;   // of the K rows
  Tensor cu_select;  // (S+1) i32
  Tensor types;      // (N) i32, token types; absent: all 0
  int64_t N = 0, S = 0, K = 0;
  int64_t longest = 0, longest_select = 0;  // rows and selected rows of no segment are more
  int64_t tokens = 0;                       // rows that are in segments
  bool typed = false;                       // there are token types
  Tensor packed;                            // all of the above as one array, which is sent to a GPU at once

  // The same sizes over another array: of a captured graph, which finds its indices there.
  Rows over(const Tensor& array) const;
  // Equal for batches that one captured graph can serve.
  std::string shape_key() const;
};

// The least bucket that holds n: multiples of 8 up to 64, of 64 up to 512, then eight to each power of two.
int64_t bucket_of(int64_t n);

Rows pack(Context& context, const std::vector<Segment>& segments, Pack how = Pack::exact);

// How a forward pass runs: with dropout or without, and with which draws.
struct Mode {
  bool training = false;
  uint64_t seed = 0, step = 0;
  const uint64_t* live_step = nullptr;  // a captured graph reads the step here, in device memory

  static Mode evaluation() { return {}; }
  PhiloxSource draws(uint64_t op) const { return {philox_key(seed, step, op), seed, op, live_step}; }
  Dropout dropout(double p, uint64_t op, const RowIds& rows) const {
    if (!training || p == 0) return {};
    return {.p = p,
            .seed = seed,
            .step = step,
            .op = op,
            .live_step = live_step,
            .example = rows.example,
            .position = rows.position};
  }
};

}  // namespace lowland::nn

// Rows: the packed token rows of one micro-batch, and what each row is. There is no padding: segment i is the rows
// [cu_seqlens[i], cu_seqlens[i+1]).
#pragma once
#include <vector>

#include "engine/ops/ops.h"

namespace lowland::nn {

struct Segment {
  std::vector<int32_t> ids;
  int64_t example = 0;             // index of the example in the step: random draws depend on it, not on the packing
  std::vector<int32_t> select;     // rows of the segment whose outputs are wanted
};

// What each row is, for random draws and position embeddings.
struct RowIds {
  Tensor example;   // (N) i32, index of the row's example in the step
  Tensor position;  // (N) i32, from 0 in each segment
};

struct Rows {
  Tensor ids;         // (N) i32, tokens
  RowIds all;         // of the N rows
  Tensor cu_seqlens;  // (S+1) i32
  // The K rows whose outputs are wanted: each segment's first row for a classifier, the masked ones for an MLM.
  Tensor select;      // (K) i32, indices of rows
  RowIds selected;    // of the K rows
  Tensor cu_select;   // (S+1) i32
  int64_t N = 0, S = 0, K = 0;
};

Rows pack(Context& context, const std::vector<Segment>& segments);

// How a forward pass runs: with dropout or without, and with which draws.
struct Mode {
  bool training = false;
  uint64_t seed = 0, step = 0;
  const uint64_t* live_step = nullptr;  // a captured graph reads the step here, in device memory

  static Mode evaluation() { return {}; }
  Dropout dropout(double p, uint64_t op, const RowIds& rows) const {
    if (!training || p == 0) return {};
    return {p, seed, step, op, live_step, rows.example, rows.position};
  }
};

}  // namespace lowland::nn

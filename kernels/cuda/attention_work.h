// How attention's work is cut on a GPU, and the dropout bits of a tile. A block's number gives its segment, head and
// tile; the segments' bounds are read from the device when it runs, so that the host need not know them. The grid has
// tiles for the longest segment; a block beyond the end of its own segment has nothing to do.
//
// Rows after the last segment form one segment more, whose queries see no keys and whose keys are seen by no query. It
// may be longer than the longest: its blocks take every `tiles`-th tile.
#pragma once
#include "kernels/attention.h"
#include "kernels/common/launch_limits.h"
#include "kernels/cuda/block.h"

namespace lowland::cuda {

// Of one launch of the forward. `vectors`: every row of q, k, v and o starts at a multiple of 16 bytes.
template <class T> struct ForwardArgs {
  RowView<T> o;
  acc_t<T>* lse;  // (NQ, NH)
  AttentionInputs<T> in;
  AttentionShape shape;
  int64_t tiles;  // of the longest segment
  bool vectors;
};

struct Segment {
  int q0, nq, k0, nk;  // first query row, queries, first key row, keys
};

// s = S is the segment of the rows after the last one.
LL_HD inline Segment query_segment(const AttentionShape& shape, int64_t s) {
  const int q0 = shape.cu_q[s];
  if (s == shape.S) return {q0, static_cast<int>(shape.NQ) - q0, 0, 0};
  return {q0, shape.cu_q[s + 1] - q0, shape.cu_k[s], shape.cu_k[s + 1] - shape.cu_k[s]};
}
LL_HD inline Segment key_segment(const AttentionShape& shape, int64_t s) {
  const int k0 = shape.cu_k[s];
  if (s == shape.S) return {0, 0, k0, static_cast<int>(shape.NK) - k0};
  return {shape.cu_q[s], shape.cu_q[s + 1] - shape.cu_q[s], k0, shape.cu_k[s + 1] - k0};
}

// Keys that query i sees, and the first query that sees key j.
LL_HD inline int visible_keys(const Segment& seg, bool causal, int i) {
  const int n = seg.nk - seg.nq + i + 1;
  return causal && n < seg.nk ? (n > 0 ? n : 0) : seg.nk;
}
LL_HD inline int first_query(const Segment& seg, bool causal, int j) {
  const int i = j - (seg.nk - seg.nq);
  return causal && i > 0 ? i : 0;
}

// A sliding window's first key for query i, rounded down to a multiple of `tile`, and the end of the queries that see
// key j.
LL_HD inline int first_key(const Segment& seg, int64_t window, int i, int tile = 1) {
  const int j = seg.nk - seg.nq + i + 1 - static_cast<int>(window);
  return window > 0 && j > 0 ? j - j % tile : 0;
}
LL_HD inline int end_query(const Segment& seg, int64_t window, int j) {
  const int i = j + static_cast<int>(window) - (seg.nk - seg.nq);
  return window > 0 && i < seg.nq ? (i > 0 ? i : 0) : seg.nq;
}

inline int64_t tiles_of(int64_t longest, int64_t all, int64_t rows) {
  const int64_t n = longest > 0 ? longest : all;
  return n == 0 ? 0 : (n + rows - 1) / rows;
}

// Blocks of a grid over (segment, head, tile), the rows after the last segment a segment among them. A causal segment's
// last tiles of queries see most keys, and its first tiles of keys are seen by most queries: those of all segments and
// heads come first, and the small ones fill the gaps at the end. On 264 places for blocks, 2 x 4096 tokens with 32
// heads and 8 of keys, this order keeps 0.99 of them busy in all three passes; a head at a time it is 0.87 in the
// forward, 0.93 for dq and 0.76 for dk and dv (a count of tiles, not a measurement). Elsewhere all tiles weigh the
// same, and a head's come together: its keys are in the cache.
struct Work {
  int64_t segment, head, tile;
};
LL_HD inline Work work_of(int64_t block, int64_t tiles, int64_t heads, const AttentionShape& shape, bool for_keys) {
  if (!shape.causal) return {block / tiles / heads, block / tiles % heads, block % tiles};
  const int64_t pairs = (shape.S + 1) * heads, rank = block / pairs, pair = block % pairs;
  return {pair / heads, pair % heads, for_keys ? rank : tiles - 1 - rank};
}

// keep (kQueries, kKeys / 8) bytes: bit j % 8 of byte (i, j / 8) says that query i0 + i keeps key j0 + j. 8 divides j0.
template <int kQueries, int kKeys, int kThreads>
LL_HD void fill_keep(int t, uint8_t* keep, const AttentionShape& shape, PhiloxKey key, const Segment& seg, int64_t head,
                     int i0, int j0) {
  constexpr int kOctets = kKeys / 8;
  for (int at = t; at < kQueries * kOctets; at += kThreads) {
    const int i = i0 + at / kOctets, octet = j0 / 8 + at % kOctets;
    if (i >= seg.nq || 8 * octet >= seg.nk) continue;
    const int row = seg.q0 + i;
    const PhiloxBlock draws =
        philox(key, static_cast<uint32_t>(shape.example[row]), static_cast<uint32_t>(shape.position[row]),
               static_cast<uint32_t>(head) * kHeadStride + static_cast<uint32_t>(octet), 0);
    uint32_t bits = 0;
    for (int j = 0; j < 8; ++j) bits |= static_cast<uint32_t>(draw16(draws, j) >= shape.drop_below) << j;
    keep[at] = static_cast<uint8_t>(bits);
  }
}

// Rows of HD zeros, by the whole block.
template <int kThreads, class T> LL_HD void zero_rows(int t, T* out, int64_t stride, int rows, int HD) {
  for (int64_t at = t; at < int64_t{rows} * HD; at += kThreads) out[at / HD * stride + at % HD] = T(0.0f);
}

}  // namespace lowland::cuda

// How attention's work is cut, and what both passes do with a tile of scores. A tile is stored by keys: row = key,
// column = query, so that softmax, its gradient and the dropout draws run over queries, one per vector lane.
#pragma once
#include "kernels/attention.h"
#include "kernels/common/parallel.h"
#include "kernels/cpu/attention_tiles.h"

namespace lowland::LL_CPU {

inline constexpr int64_t kTileQueries = 64;
inline constexpr int64_t kTileKeys = 64;   // a multiple of 8, the draws of one Philox call
inline constexpr int64_t kSpan = 256;      // queries that share one packing of the keys

// One segment as a task sees it.
struct Segment {
  int64_t q0, nq, k0, nk;  // first query row, queries, first key row, keys
};

inline Segment segment_of(const AttentionShape& shape, int64_t s) {
  return {shape.cu_q[s], shape.cu_q[s + 1] - shape.cu_q[s], shape.cu_k[s], shape.cu_k[s + 1] - shape.cu_k[s]};
}

// Runs tasks_of(segment) tasks for each segment: run(slot, segment, task). Threads take the next task when they are
// free; a slot is one thread's, its number is below ctx.threads.
template <class TasksOf, class Run>
inline void for_each_task(Ctx& ctx, const AttentionShape& shape, const TasksOf& tasks_of, const Run& run) {
  int64_t total = 0, next = 0;
  for (int64_t s = 0; s < shape.S; ++s) total += tasks_of(segment_of(shape, s));
  const int64_t slots = total < ctx.threads ? total : ctx.threads;
  parallel_for(ctx, slots, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot) {
      int64_t s = 0, first = 0;
      for (;;) {
        int64_t task;
#pragma omp atomic capture
        task = next++;
        if (task >= total) break;
        while (task - first >= tasks_of(segment_of(shape, s))) first += tasks_of(segment_of(shape, s++));
        run(slot, segment_of(shape, s), task - first);
      }
    }
  });
}

// Zeros in rows [begin, end).
template <class T> inline void zero_rows(Rows<T> to, int64_t begin, int64_t end, int64_t columns) {
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < columns; ++c) to.data[n * to.stride + c] = T(0);
}

// e^x for x <= 0 or barely above it; where e^x would be subnormal in f32, zero.
LL_INLINE float exp_weight(float x) {
  const ExpParts e = exp_parts(x < -87.0f ? -87.0f : x);
  const float y = (e.expm1 + 1.0f) * power_of_two(e.n);
  return x < -87.0f ? 0.0f : y;
}
LL_INLINE double exp_weight(double x) { return vexp(x); }

// Causal mask: of key j in a tile whose first key and query are j0, i0 of the segment, the first tile column that sees it.
inline int64_t first_query(const Segment& seg, int64_t i0, int64_t j) {
  const int64_t i = j - (seg.nk - seg.nq) - i0;
  return i < 0 ? 0 : (i > kTileQueries ? kTileQueries : i);
}

// Keys of the segment that queries before i_end can see.
inline int64_t visible_keys(const Segment& seg, bool causal, int64_t i_end) {
  const int64_t n = seg.nk - seg.nq + i_end;
  return causal && n < seg.nk ? n : seg.nk;
}

inline constexpr int kDrawLanes = 16;

// The four words of philox for kDrawLanes queries and one block of eight keys.
inline void draw_block(uint32_t (&v)[4][kDrawLanes], PhiloxKey key, const int32_t* example, const int32_t* position,
                       uint32_t block) {
  uint32_t c0[kDrawLanes], c1[kDrawLanes], c2[kDrawLanes], c3[kDrawLanes];
  for (int i = 0; i < kDrawLanes; ++i) {
    c0[i] = static_cast<uint32_t>(example[i]);
    c1[i] = static_cast<uint32_t>(position[i]);
    c2[i] = block;
    c3[i] = 0;
  }
  for (int round = 0; round < 10; ++round) {
#pragma omp simd
    for (int i = 0; i < kDrawLanes; ++i) {
      const uint64_t p0 = uint64_t{0xD2511F53u} * c0[i], p1 = uint64_t{0xCD9E8D57u} * c2[i];
      c0[i] = static_cast<uint32_t>(p1 >> 32) ^ c1[i] ^ key.k0;
      c2[i] = static_cast<uint32_t>(p0 >> 32) ^ c3[i] ^ key.k1;
      c1[i] = static_cast<uint32_t>(p1);
      c3[i] = static_cast<uint32_t>(p0);
    }
    key.k0 += 0x9E3779B9u;
    key.k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < kDrawLanes; ++i) {
    v[0][i] = c0[i];
    v[1][i] = c1[i];
    v[2][i] = c2[i];
    v[3][i] = c3[i];
  }
}

// keep (keys, kTileQueries) = 0 or keep_scale for the tile at query i0 and key j0 (a multiple of 8) of head h. Written
// in groups of 8 keys and kDrawLanes queries: the tile has room for kTileKeys rows.
template <class T>
inline void keep_factors(T* keep, const AttentionShape& shape, const Segment& seg, int64_t h, int64_t i0,
                         int64_t queries, int64_t j0, int64_t keys) {
  const T kept = static_cast<T>(shape.keep_scale);
  const uint32_t below = shape.drop_below;
  for (int64_t i = 0; i < queries; i += kDrawLanes) {
    int32_t example[kDrawLanes] = {}, position[kDrawLanes] = {};
    const int64_t row = seg.q0 + i0 + i, n = queries - i < kDrawLanes ? queries - i : kDrawLanes;
    for (int64_t k = 0; k < n; ++k) {
      example[k] = shape.example[row + k];
      position[k] = shape.position[row + k];
    }
    for (int64_t j = 0; j < keys; j += 8) {
      uint32_t v[4][kDrawLanes];
      const uint32_t block = static_cast<uint32_t>(h) * kHeadStride + static_cast<uint32_t>((j0 + j) / 8);
      draw_block(v, shape.key, example, position, block);
      for (int w = 0; w < 4; ++w) {
        T* low = keep + (j + 2 * w) * kTileQueries + i;
        T* high = low + kTileQueries;
#pragma omp simd
        for (int k = 0; k < kDrawLanes; ++k) {
          low[k] = (v[w][k] & 0xffffu) >= below ? kept : T(0);
          high[k] = (v[w][k] >> 16) >= below ? kept : T(0);
        }
      }
    }
  }
}

}  // namespace lowland::LL_CPU

// How attention's work is cut, and what both passes do with a tile of scores. A tile is stored by keys: row =
// key, column = query, so that softmax, its gradient and the dropout draws run over queries, a lane for each.
#pragma once
#include "kernels/attention.h"
#include "kernels/common/parallel.h"
#include "kernels/cpu/attention_tiles.h"
#include "kernels/cpu/philox_row.h"

namespace lowland::LL_CPU {

inline constexpr int64_t kTileQueries = 64;
inline constexpr int64_t kTileKeys = 64;  // a multiple of 8, the draws of one Philox call
inline constexpr int64_t kSpan = 256;     // queries that share one packing of the keys

// One segment as a task sees it.
struct Segment {
  int64_t q0, nq, k0, nk;  // first query row, queries, first key row, keys
};

inline Segment segment_of(const AttentionShape& shape, int64_t s) {
  return {shape.cu_q[s], shape.cu_q[s + 1] - shape.cu_q[s], shape.cu_k[s], shape.cu_k[s + 1] - shape.cu_k[s]};
}

// Runs tasks_of(segment) tasks for each segment: run(slot, segment, task). Threads take the next task when
// they are free; a slot is one thread's, its number is below ctx.threads.
template <class TasksOf, class Run>
inline void for_each_task(Ctx& ctx, const AttentionShape& shape, const TasksOf& tasks_of, const Run& run) {
  constexpr int64_t kWorth = 1 << 17;  // products worth a thread
  int64_t total = 0, next = 0, products = 0;
  for (int64_t s = 0; s < shape.S; ++s) {
    const Segment seg = segment_of(shape, s);
    total += tasks_of(seg);
    products += seg.nq * seg.nk * shape.NH * shape.HD;
  }
  const int64_t most = products / kWorth + 1 < ctx.threads ? products / kWorth + 1 : ctx.threads;
  const int64_t slots = total < most ? total : most;
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
template <class T> inline void zero_rows(RowView<T> to, int64_t begin, int64_t end, int64_t columns) {
  for (int64_t n = begin; n < end; ++n)
    for (int64_t c = 0; c < columns; ++c) to.data[n * to.stride + c] = T{};
}

// e^x for x <= 0 or barely above it; where e^x would be subnormal in f32, zero.
LL_INLINE float exp_weight(float x) {
  const ExpParts e = exp_parts(x < -87.0f ? -87.0f : x);
  const float y = (e.expm1 + 1.0f) * power_of_two(e.n);
  return x < -87.0f ? 0.0f : y;
}
LL_INLINE double exp_weight(double x) { return vexp(x); }

// Scores below a cap.
template <class T> LL_INLINE T capped(T s, T cap) { return cap * vtanh(s / cap); }

// Causal mask: the first column that sees key j in a tile whose first query is i0.
inline int64_t first_query(const Segment& seg, int64_t i0, int64_t j) {
  const int64_t i = j - (seg.nk - seg.nq) - i0;
  return i < 0 ? 0 : (i > kTileQueries ? kTileQueries : i);
}

// Keys of the segment that queries before i_end can see.
inline int64_t visible_keys(const Segment& seg, bool causal, int64_t i_end) {
  const int64_t n = seg.nk - seg.nq + i_end;
  return causal && n < seg.nk ? n : seg.nk;
}

// Sliding window: the first key that query i sees, the first tile with one, and the end of the columns that see key j
// in a tile of `columns` whose first query is i0.
inline int64_t first_key(const Segment& seg, const AttentionShape& shape, int64_t i) {
  const int64_t j = seg.nk - seg.nq + i + 1 - shape.window;
  return shape.window > 0 && j > 0 ? j : 0;
}
inline int64_t first_tile(const Segment& seg, const AttentionShape& shape, int64_t i) {
  return first_key(seg, shape, i) / kTileKeys * kTileKeys;
}
inline int64_t end_query(const Segment& seg, const AttentionShape& shape, int64_t i0, int64_t j, int64_t columns) {
  const int64_t i = j + shape.window - (seg.nk - seg.nq) - i0;
  return shape.window == 0 || i > columns ? columns : (i < 0 ? 0 : i);
}

// Queries that draw together: two to each 64-bit lane, the even ones and the odd ones in turn.
inline constexpr int kDrawLanes = 2 * kPhiloxLanes;

// The four words of philox for one block of eight keys and every second query; high halves hold anything.
struct DrawWords {
  PhiloxLanes c0, c1, c2, c3;
};

LL_INLINE DrawWords draw_words(PhiloxKey key, PhiloxLanes example, PhiloxLanes position, uint32_t block) {
  const PhiloxLanes zero = {}, m0 = zero + 0xD2511F53u, m1 = zero + 0xCD9E8D57u;
  DrawWords w{example, position, zero + block, zero};
  for (int round = 0; round < 10; ++round) {
    const PhiloxLanes p0 = low_product(w.c0, m0), p1 = low_product(w.c2, m1);
    w = {(p1 >> 32) ^ w.c1 ^ (zero + key.k0), p1, (p0 >> 32) ^ w.c3 ^ (zero + key.k1), p0};
    key.k0 += 0x9E3779B9u;
    key.k1 += 0xBB67AE85u;
  }
  return w;
}

// Two rows of kDrawLanes factors from the same word of the even and the odd queries.
template <class T> LL_INLINE void store_factors(T* row, PhiloxLanes even, PhiloxLanes odd, uint32_t below, T kept) {
  const PhiloxLanes joined = (even & 0xffffffffu) | (odd << 32);
  uint32_t word[kDrawLanes];
  __builtin_memcpy(word, &joined, sizeof word);
#pragma omp simd
  for (int i = 0; i < kDrawLanes; ++i) row[i] = (word[i] & 0xffffu) >= below ? kept : T(0);
#pragma omp simd
  for (int i = 0; i < kDrawLanes; ++i) row[kTileQueries + i] = (word[i] >> 16) >= below ? kept : T(0);
}

// keep (kTileKeys, kTileQueries) = 0 or keep_scale: the tile at query i0 and key j0 (8 divides it) of head h.
template <class T>
inline void fill_keep(T* keep, const AttentionShape& shape, const Segment& seg, int64_t h, int64_t i0, int64_t queries,
                      int64_t j0, int64_t keys) {
  const T kept = static_cast<T>(shape.keep_scale);
  const uint32_t first = static_cast<uint32_t>(h) * kHeadStride + static_cast<uint32_t>(j0 / 8);
  for (int64_t i = 0; i < queries; i += kDrawLanes) {
    int32_t example[kDrawLanes] = {}, position[kDrawLanes] = {};
    const int64_t row = seg.q0 + i0 + i, n = queries - i < kDrawLanes ? queries - i : kDrawLanes;
    for (int64_t k = 0; k < n; ++k) {
      example[k] = shape.example[row + k];
      position[k] = shape.position[row + k];
    }
    PhiloxLanes e, p;
    __builtin_memcpy(&e, example, sizeof e);
    __builtin_memcpy(&p, position, sizeof p);
    const PhiloxKey key = key_of(shape.draws);
    for (int64_t j = 0; j < keys; j += 8) {
      const uint32_t block = first + static_cast<uint32_t>(j / 8);
      const DrawWords even = draw_words(key, e, p, block), odd = draw_words(key, e >> 32, p >> 32, block);
      T* out = keep + j * kTileQueries + i;
      store_factors(out, even.c0, odd.c0, shape.drop_below, kept);
      store_factors(out + 2 * kTileQueries, even.c1, odd.c1, shape.drop_below, kept);
      store_factors(out + 4 * kTileQueries, even.c2, odd.c2, shape.drop_below, kept);
      store_factors(out + 6 * kTileQueries, even.c3, odd.c3, shape.drop_below, kept);
    }
  }
}

}  // namespace lowland::LL_CPU

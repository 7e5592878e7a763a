// attention_forward in bf16 on tensor cores: a block owns 64 MT queries of one head and goes through the keys 64 or,
// where heads are wide and registers scarce, 32 at a time; the next tile of keys and values is on its way while this
// one is worked on. Scores and probabilities live in registers; the probabilities are rounded to bf16 for the second
// product, their sum is not.
#pragma once
#include "kernels/cuda/attention_mma.h"

namespace lowland::cuda {

template <class Block, int W, int MT, bool kDrops> class ForwardMma {
 public:
  static constexpr int kQueries = 64 * MT, kKeys = W <= 64 ? 64 : 32, kLd = kPitch<W>;
  static constexpr int kShared = (kQueries + 4 * kKeys) * kLd * 2 + (kDrops ? 2 * kQueries * kKeys / 8 : 0);

  LL_HD ForwardMma(Block& b, const ForwardArgs<bf16>& args, uint8_t* shared)
      : b_(b),
        args_(args),
        q_(reinterpret_cast<bf16*>(shared)),
        kv_(q_ + kQueries * kLd),
        keep_(reinterpret_cast<uint8_t*>(kv_ + 4 * kKeys * kLd)) {}

  LL_HD void run() {
    const AttentionShape& shape = args_.shape;
    const Work work = work_of(b_.index(), args_.tiles, shape.NH, shape, false);
    seg_ = query_segment(shape, work.segment);
    head_ = work.head;
    if (kDrops) key_ = key_of(shape.draws);
    for (int64_t i = work.tile * kQueries; i < seg_.nq; i += args_.tiles * kQueries) tile(static_cast<int>(i));
  }

 private:
  template <class T> using PerThread = typename Block::template PerThread<T>;
  struct Row {  // of this thread's 2 MT rows: greatest score so far, and this thread's part of the sum of exp
    float top[2 * MT], weight[2 * MT];
  };

  LL_HD void tile(int i0) {
    const AttentionShape& shape = args_.shape;
    const int rows = seg_.nq - i0 < kQueries ? seg_.nq - i0 : kQueries, HD = static_cast<int>(shape.HD);
    const int keys = visible_keys(seg_, shape.causal, i0 + rows - 1);
    const int64_t row = seg_.q0 + i0;
    bf16* out = args_.o.data + row * args_.o.stride + head_ * HD;
    if (keys == 0) {
      b_.each([&](int t) {
        zero_rows<kMmaThreads>(t, out, args_.o.stride, rows, HD);
        if (t < rows) args_.lse[(row + t) * shape.NH + head_] = 0;
      });
      return;
    }
    const int begin = first_key(seg_, shape.window, i0, kKeys);
    b_.sync();  // the tile before this one is done with the shared memory
    b_.each([&](int t) {
      fetch_tile<Block, kQueries, W>(copies_, t, q_, args_.in.q.data + row * args_.in.q.stride + head_ * HD,
                                     args_.in.q.stride, rows, HD, args_.vectors);
      fetch(t, i0, begin, 0);
    });
    PerThread<Sums<MT, W / 8>> sums;
    PerThread<Row> state;
    b_.each([&](int t) { LL_UNROLL for (int r = 0; r < 2 * MT; ++r) state[t].top[r] = -INFINITY; });
    for (int j0 = begin, buffer = 0; j0 < keys; j0 += kKeys, buffer ^= 1) {
      b_.each([&](int t) { copies_.template wait<0>(t); });
      b_.sync();
      b_.each([&](int t) {
        if (j0 + kKeys < keys) fetch(t, i0, j0 + kKeys, buffer ^ 1);
      });
      PerThread<Sums<MT, kKeys / 8>> scores;
      multiply_rows<MT, kKeys, W>(b_, scores, q_, keys_at(buffer));
      if (j0 + kKeys > visible_keys(seg_, shape.causal, i0) || j0 < first_key(seg_, shape.window, i0 + rows - 1))
        mask(scores, i0, j0);
      softmax(sums, scores, state);
      if (kDrops) drop(scores, buffer);
      multiply_sums<MT, W, kKeys>(b_, sums, scores, keys_at(buffer) + kKeys * kLd);
    }
    finish(sums, state, out, row, rows);
  }

  LL_HD bf16* keys_at(int buffer) const { return kv_ + buffer * 2 * kKeys * kLd; }  // and the values behind them

  // Asks for the keys and values from j0 on, and draws who is dropped.
  LL_HD void fetch(int t, int i0, int j0, int buffer) {
    const RowView<const bf16> k = args_.in.k, v = args_.in.v;
    const int HD = static_cast<int>(args_.shape.HD), rows = seg_.nk - j0;
    const int64_t row = seg_.k0 + j0, column = head_ / (args_.shape.NH / args_.shape.NKV) * HD;
    bf16* to = keys_at(buffer);
    fetch_tile<Block, kKeys, W>(copies_, t, to, k.data + row * k.stride + column, k.stride, rows, HD, args_.vectors);
    fetch_tile<Block, kKeys, W>(copies_, t, to + kKeys * kLd, v.data + row * v.stride + column, v.stride, rows, HD,
                                args_.vectors);
    copies_.commit(t);
    if (kDrops)
      fill_keep<kQueries, kKeys, kMmaThreads>(t, keep_ + buffer * kQueries * kKeys / 8, args_.shape, key_, seg_, head_,
                                              i0, j0);
  }

  LL_HD void mask(PerThread<Sums<MT, kKeys / 8>>& scores, int i0, int j0) {
    b_.each([&](int t) {
      LL_UNROLL for (int r = 0; r < 2 * MT; ++r) {
        const int query = i0 + row_of(t, MT, r / 2, r % 2), first = j0 + column_of(t);
        const int end = visible_keys(seg_, args_.shape.causal, query) - first;
        const int begin = first_key(seg_, args_.shape.window, query) - first;
        LL_UNROLL for (int n = 0; n < kKeys / 8; ++n) LL_UNROLL for (int e = 0; e < 2; ++e) {
          float& score = scores[t].c[r / 2][n].v[2 * (r % 2) + e];
          score = 8 * n + e >= begin && 8 * n + e < end ? score : -INFINITY;
        }
      }
    });
  }

  // Scores become exp(scale (score - top)); sums and weights of before are scaled to the new top.
  LL_HD void softmax(PerThread<Sums<MT, W / 8>>& sums, PerThread<Sums<MT, kKeys / 8>>& scores, PerThread<Row>& state) {
    const float scale = static_cast<float>(args_.shape.scale) * kLog2e;
    LL_UNROLL for (int r = 0; r < 2 * MT; ++r) {
      const auto quad = [&](int t, int n) { return &scores[t].c[r / 2][n].v[2 * (r % 2)]; };
      PerThread<float> top;
      b_.each([&](int t) {
        top[t] = state[t].top[r];
        LL_UNROLL for (int n = 0; n < kKeys / 8; ++n) top[t] = fmaxf(top[t], fmaxf(quad(t, n)[0], quad(t, n)[1]));
      });
      b_.group_reduce(top, MaxOp<float>(), 4);
      b_.each([&](int t) {
        const float shift = top[t] == -INFINITY ? 0 : top[t] * scale;
        const float rescale = fast_exp2(state[t].top[r] * scale - shift);
        float weight = state[t].weight[r] * rescale;
        LL_UNROLL for (int n = 0; n < kKeys / 8; ++n) LL_UNROLL for (int e = 0; e < 2; ++e) {
          float& score = quad(t, n)[e];
          weight += score = fast_exp2(score * scale - shift);
        }
        state[t].top[r] = top[t];
        state[t].weight[r] = weight;
        LL_UNROLL for (int n = 0; n < W / 8; ++n) LL_UNROLL for (int e = 0; e < 2; ++e) sums[t]
            .c[r / 2][n]
            .v[2 * (r % 2) + e] *= rescale;
      });
    }
  }

  LL_HD void drop(PerThread<Sums<MT, kKeys / 8>>& p, int buffer) {
    const uint8_t* keep = keep_ + buffer * kQueries * kKeys / 8;
    b_.each([&](int t) {
      LL_UNROLL for (int r = 0; r < 2 * MT; ++r) {
        const uint8_t* row = keep + row_of(t, MT, r / 2, r % 2) * (kKeys / 8);
        LL_UNROLL for (int n = 0; n < kKeys / 8; ++n) LL_UNROLL for (int e = 0; e < 2; ++e) {
          float& x = p[t].c[r / 2][n].v[2 * (r % 2) + e];
          x = (row[n] >> (column_of(t) + e) & 1) != 0 ? x : 0;
        }
      }
    });
  }

  LL_HD void finish(PerThread<Sums<MT, W / 8>>& sums, PerThread<Row>& state, bf16* out, int64_t row, int rows) {
    const AttentionShape& shape = args_.shape;
    LL_UNROLL for (int r = 0; r < 2 * MT; ++r) {
      PerThread<float> weight;
      b_.each([&](int t) { weight[t] = state[t].weight[r]; });
      b_.group_reduce(weight, AddOp<float>(), 4);
      b_.each([&](int t) {
        const int i = row_of(t, MT, r / 2, r % 2);
        if (t % 4 == 0 && i < rows)
          args_.lse[(row + i) * shape.NH + head_] = state[t].top[r] * static_cast<float>(shape.scale) + logf(weight[t]);
        state[t].weight[r] = weight[t];
      });
    }
    const float kept = kDrops ? static_cast<float>(shape.keep_scale) : 1.0f;
    store_sums<MT, W>(b_, sums, q_, out, args_.o.stride, rows, static_cast<int>(shape.HD), args_.vectors,
                      [&](int t, int r) { return kept / state[t].weight[r]; });
  }

  Block& b_;
  const ForwardArgs<bf16>& args_;
  AsyncCopies<Block> copies_;
  bf16 *q_, *kv_;
  uint8_t* keep_;
  Segment seg_{};
  int64_t head_ = 0;
  PhiloxKey key_{};
};

}  // namespace lowland::cuda

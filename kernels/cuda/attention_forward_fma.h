// attention_forward in float and double: a block owns one tile of queries of one head and goes through the keys tile by
// tile, with an online softmax, as attention_forward_mma.h does.
#pragma once
#include "kernels/cuda/attention_fma.h"

namespace lowland::cuda {

template <class Block, class T, int W> class ForwardFma {
 public:
  using Tile = FmaTile<T, W>;
  static constexpr int kRows = Tile::kRows, kMicro = Tile::kMicro;
  static constexpr int kShared =
      static_cast<int>(sizeof(T)) * (3 * kRows * Tile::kLd + kRows * Tile::kScoreLd) + kRows * kRows / 8;

  LL_HD ForwardFma(Block& b, const ForwardArgs<T>& args, uint8_t* shared)
      : b_(b),
        args_(args),
        q_(reinterpret_cast<T*>(shared)),
        k_(q_ + kRows * Tile::kLd),
        v_(k_ + kRows * Tile::kLd),
        p_(v_ + kRows * Tile::kLd),
        keep_(reinterpret_cast<uint8_t*>(p_ + kRows * Tile::kScoreLd)) {}

  LL_HD void run() {
    const Work work = work_of(b_.index(), args_.tiles, args_.shape.NH, args_.shape, false);
    seg_ = query_segment(args_.shape, work.segment);
    head_ = work.head;
    if (drops()) key_ = key_of(args_.shape.draws);
    for (int64_t i = work.tile * kRows; i < seg_.nq; i += args_.tiles * kRows) tile(static_cast<int>(i));
  }

 private:
  template <class U> using PerThread = typename Block::template PerThread<U>;
  struct Row {  // greatest score so far, sum of exp, and what a new top makes of the sums before it
    T top[kMicro], weight[kMicro], rescale[kMicro];
  };

  LL_HD bool drops() const { return args_.shape.drop_below > 0; }

  LL_HD void tile(int i0) {
    const AttentionShape& shape = args_.shape;
    const int rows = seg_.nq - i0 < kRows ? seg_.nq - i0 : kRows, HD = static_cast<int>(shape.HD);
    const int keys = visible_keys(seg_, shape.causal, i0 + rows - 1);
    const int64_t row = seg_.q0 + i0;
    PerThread<typename Tile::Sums> sums;
    PerThread<typename Tile::Scores> scores;
    PerThread<Row> state;
    b_.sync();  // the tile before this one is done with the shared memory
    b_.each([&](int t) {
      sums[t] = {};
      for (int i = 0; i < kMicro; ++i) state[t].top[i] = -INFINITY, state[t].weight[i] = 0;
      Tile::load(t, q_, args_.in.q.data + row * args_.in.q.stride + head_ * HD, args_.in.q.stride, rows, HD,
                 args_.vectors);
    });
    for (int j0 = first_key(seg_, shape.window, i0, kRows); j0 < keys; j0 += kRows) {
      b_.sync();
      b_.each([&](int t) { load_keys(t, i0, j0); });
      b_.sync();
      b_.each([&](int t) {
        Tile::multiply_rows(t, scores[t], q_, k_);
        mask(t, scores[t], i0, j0);
      });
      softmax(scores, state);
      b_.each([&](int t) {
        if (drops()) drop(t, scores[t]);
        Tile::store_scores(t, p_, scores[t]);
        LL_UNROLL for (int i = 0; i < kMicro; ++i) LL_UNROLL for (int g = 0; g < Tile::kGroups; ++g)
            LL_UNROLL for (int e = 0; e < Tile::kVec; ++e) sums[t]
                .v[i][g][e] *= state[t].rescale[i];
      });
      b_.sync();
      b_.each([&](int t) { Tile::multiply_scores(t, sums[t], p_, v_); });
    }
    b_.each([&](int t) {
      T factor[kMicro];
      LL_UNROLL for (int i = 0; i < kMicro; ++i) {
        const T weight = state[t].weight[i];
        factor[i] = keys > 0 ? (drops() ? static_cast<T>(shape.keep_scale) : T(1)) / weight : T(0);
        if (t % kFmaLanes == 0 && Tile::row(t, i) < rows)
          args_.lse[(row + Tile::row(t, i)) * shape.NH + head_] = keys > 0 ? state[t].top[i] + std::log(weight) : T(0);
      }
      Tile::store(t, args_.o.data + row * args_.o.stride + head_ * HD, args_.o.stride, rows, HD, args_.vectors, sums[t],
                  factor);
    });
  }

  LL_HD void load_keys(int t, int i0, int j0) {
    const RowView<const T> k = args_.in.k, v = args_.in.v;
    const int HD = static_cast<int>(args_.shape.HD), rows = seg_.nk - j0;
    const int64_t row = seg_.k0 + j0, column = head_ / (args_.shape.NH / args_.shape.NKV) * HD;
    Tile::load(t, k_, k.data + row * k.stride + column, k.stride, rows, HD, args_.vectors);
    Tile::load(t, v_, v.data + row * v.stride + column, v.stride, rows, HD, args_.vectors);
    if (drops()) fill_keep<kRows, kRows, kFmaThreads>(t, keep_, args_.shape, key_, seg_, head_, i0, j0);
  }

  // Scales the scores; those of keys that a query does not see become -infinity.
  LL_HD void mask(int t, typename Tile::Scores& scores, int i0, int j0) {
    const T scale = static_cast<T>(args_.shape.scale);
    LL_UNROLL for (int i = 0; i < kMicro; ++i) {
      const int query = i0 + Tile::row(t, i), end = visible_keys(seg_, args_.shape.causal, query) - j0;
      const int begin = first_key(seg_, args_.shape.window, query) - j0;
      LL_UNROLL for (int j = 0; j < kMicro; ++j) {
        const bool sees = Tile::column(t, j) >= begin && Tile::column(t, j) < end;
        scores.v[i][j] = sees ? scale * scores.v[i][j] : T(-INFINITY);
      }
    }
  }

  LL_HD void softmax(PerThread<typename Tile::Scores>& scores, PerThread<Row>& state) {
    LL_UNROLL for (int i = 0; i < kMicro; ++i) {
      PerThread<T> top, weight;
      b_.each([&](int t) {
        top[t] = state[t].top[i];
        LL_UNROLL for (int j = 0; j < kMicro; ++j) top[t] = scores[t].v[i][j] > top[t] ? scores[t].v[i][j] : top[t];
      });
      b_.group_reduce(top, MaxOp<T>(), kFmaLanes);
      b_.each([&](int t) {
        const T shift = top[t] == T(-INFINITY) ? T(0) : top[t];
        state[t].rescale[i] = std::exp(state[t].top[i] - shift);
        state[t].top[i] = top[t];
        weight[t] = 0;
        LL_UNROLL for (int j = 0; j < kMicro; ++j) weight[t] += scores[t].v[i][j] = std::exp(scores[t].v[i][j] - shift);
      });
      b_.group_reduce(weight, AddOp<T>(), kFmaLanes);
      b_.each([&](int t) { state[t].weight[i] = state[t].weight[i] * state[t].rescale[i] + weight[t]; });
    }
  }

  LL_HD void drop(int t, typename Tile::Scores& p) {
    LL_UNROLL for (int i = 0; i < kMicro; ++i) LL_UNROLL for (int j = 0; j < kMicro; ++j) {
      const int bit = Tile::row(t, i) * kRows + Tile::column(t, j);
      if ((keep_[bit / 8] >> (bit % 8) & 1) == 0) p.v[i][j] = 0;
    }
  }

  Block& b_;
  const ForwardArgs<T>& args_;
  T *q_, *k_, *v_, *p_;
  uint8_t* keep_;
  Segment seg_{};
  int64_t head_ = 0;
  PhiloxKey key_{};
};

}  // namespace lowland::cuda

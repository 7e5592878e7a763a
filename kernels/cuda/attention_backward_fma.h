// attention_backward in float and double: both passes of attention_backward_work.h on square tiles.
#pragma once
#include "kernels/cuda/attention_backward_work.h"
#include "kernels/cuda/attention_fma.h"

namespace lowland::cuda {

template <class Block, class T, int W, bool kForKeys> class BackwardFma {
 public:
  using Tile = FmaTile<T, W>;
  static constexpr int kOwn = Tile::kRows, kRows = Tile::kRows, kMicro = Tile::kMicro, kSize = kRows * Tile::kLd;
  static constexpr int kShared =
      static_cast<int>(sizeof(T)) * (4 * kSize + 2 * kRows * Tile::kScoreLd + 2 * kRows) + kRows * kRows / 8;

  LL_HD BackwardFma(Block& b, const BackwardArgs<T>& args, uint8_t* shared)
      : b_(b),
        args_(args),
        task_(args, b.index()),
        own_(reinterpret_cast<T*>(shared)),
        other_(own_ + 2 * kSize),
        p_(other_ + 2 * kSize),
        ds_(p_ + kRows * Tile::kScoreLd),
        statistics_(ds_ + kRows * Tile::kScoreLd),
        keep_(reinterpret_cast<uint8_t*>(statistics_ + 2 * kRows)) {}

  LL_HD void run() {
    if (drops()) key_ = key_of(args_.shape.draws);
    const int step = static_cast<int>(args_.tiles) * kOwn;
    for (int at = task_.first_tile * kOwn; at < task_.own_rows(); at += step) own_tile(at);
  }

 private:
  template <class U> using PerThread = typename Block::template PerThread<U>;

  LL_HD bool drops() const { return args_.shape.drop_below > 0; }

  LL_HD void own_tile(int own) {
    const int rows = task_.own_rows() - own < kOwn ? task_.own_rows() - own : kOwn;
    const int begin = task_.other_begin(own), end = task_.other_end(own + rows);
    PerThread<typename Tile::Sums> first, second;  // dq, or dk and dv
    b_.sync();                                     // the tile before this one is done with the shared memory
    b_.each([&](int t) {
      first[t] = second[t] = {};
      load(t, own_, kForKeys, own, rows, task_.head);
      if (!kForKeys) load_statistics(t, own, task_.head);
    });
    for (int h = task_.first_head(), last = h + task_.head_count(); h < last; ++h)
      for (int other = begin; other < end; other += kRows) step(first, second, own, other, h);
    b_.each([&](int t) {
      const auto& grads = args_.grads;
      T scale[kMicro], kept[kMicro];
      LL_UNROLL for (int i = 0; i < kMicro; ++i) {
        scale[i] = static_cast<T>(args_.shape.scale);
        kept[i] = drops() ? static_cast<T>(args_.shape.keep_scale) : T(1);
      }
      const RowView<T>& to = kForKeys ? grads.dk : grads.dq;
      T* out = kForKeys ? task_.key_at(to, own) : task_.query_at(to, own, task_.head);
      const int HD = static_cast<int>(args_.shape.HD);
      Tile::store(t, out, to.stride, rows, HD, args_.vectors, first[t], scale);
      if (kForKeys)
        Tile::store(t, task_.key_at(grads.dv, own), grads.dv.stride, rows, HD, args_.vectors, second[t], kept);
    });
  }

  LL_HD void step(PerThread<typename Tile::Sums>& first, PerThread<typename Tile::Sums>& second, int own, int other,
                  int64_t h) {
    b_.sync();
    b_.each([&](int t) {
      load(t, other_, !kForKeys, other, (kForKeys ? task_.seg.nq : task_.seg.nk) - other, h);
      if (kForKeys) load_statistics(t, other, h);
      if (drops())
        fill_keep<kRows, kRows, kFmaThreads>(t, keep_, args_.shape, key_, task_.seg, h, kForKeys ? other : own,
                                             kForKeys ? own : other);
    });
    b_.sync();
    b_.each([&](int t) {
      typename Tile::Scores p, ds;
      Tile::multiply_rows(t, p, own_, other_);
      Tile::multiply_rows(t, ds, own_ + kSize, other_ + kSize);
      gradient(t, p, ds, own, other);
      if (kForKeys) Tile::store_scores(t, p_, p);
      Tile::store_scores(t, ds_, ds);
    });
    b_.sync();
    b_.each([&](int t) {
      if (kForKeys) Tile::multiply_scores(t, second[t], p_, other_ + kSize);
      Tile::multiply_scores(t, first[t], ds_, other_);
    });
  }

  // k and v, or q and do, of `rows` rows.
  LL_HD void load(int t, T* to, bool keys, int at, int rows, int64_t h) {
    const auto& in = args_.in;
    const RowView<const T> a = keys ? in.k : in.q, d = keys ? in.v : args_.dout;
    const int HD = static_cast<int>(args_.shape.HD);
    Tile::load(t, to, keys ? task_.key_at(a, at) : task_.query_at(a, at, h), a.stride, rows, HD, args_.vectors);
    Tile::load(t, to + kSize, keys ? task_.key_at(d, at) : task_.query_at(d, at, h), d.stride, rows, HD, args_.vectors);
  }

  LL_HD void load_statistics(int t, int i0, int64_t h) {
    if (t >= kRows) return;
    const bool valid = i0 + t < task_.seg.nq;
    statistics_[t] = valid ? args_.lse[task_.statistic(i0 + t, h)] : T(0);
    statistics_[kRows + t] = valid ? args_.delta[task_.statistic(i0 + t, h)] : T(0);
  }

  // From scores and do . v to probabilities, zero where dropped, and the gradient of the scores over scale.
  LL_HD void gradient(int t, typename Tile::Scores& p, typename Tile::Scores& ds, int own, int other) {
    const T scale = static_cast<T>(args_.shape.scale), kept = static_cast<T>(args_.shape.keep_scale);
    LL_UNROLL for (int i = 0; i < kMicro; ++i) LL_UNROLL for (int j = 0; j < kMicro; ++j) {
      const int a = Tile::row(t, i), c = Tile::column(t, j), query = kForKeys ? c : a, key = kForKeys ? a : c;
      const bool sees = task_.sees(own + a, other + c);
      const T weight = sees ? std::exp(scale * p.v[i][j] - statistics_[query]) : T(0);
      const int bit = query * kRows + key;
      const bool keeps = !drops() || (sees && (keep_[bit / 8] >> (bit % 8) & 1) != 0);
      const T dp = keeps ? (drops() ? kept * ds.v[i][j] : ds.v[i][j]) : T(0);
      p.v[i][j] = keeps ? weight : T(0);
      ds.v[i][j] = weight * (dp - statistics_[kRows + query]);
    }
  }

  Block& b_;
  const BackwardArgs<T>& args_;
  BackwardTask<T, kForKeys> task_;
  T *own_, *other_, *p_, *ds_, *statistics_;
  uint8_t* keep_;
  PhiloxKey key_{};
};

}  // namespace lowland::cuda

// attention_backward in bf16 for an SM 9.0: both passes of kernels/cuda/attention_backward_work.h, with the parts of
// forward_hopper.h. A block stays and takes one tile of 128 own rows after another; two warpgroups of 64 own rows each
// go through tiles of 64 other rows, which stand in two places. Each tile of other rows serves two products by its rows
// and one or two by its columns. REQUIRES as in forward_hopper.h.
//
// A thread holds, for dk and dv at 128 columns, 64 + 64 sums, 32 scores, 32 gradients of them and 32 pairs. Shared
// memory at 128 columns: 64 KB of own rows, 32 KB on the way out, two places of 32 KB: 161 KB.
#pragma once
#include "kernels/cuda/attention_backward_work.h"
#include "kernels/lab/hopper/hopper.h"

namespace lowland::hopper {

// q and dout, k and v: of 128 own rows or 64 other rows, as the pass has them.
template <class Map> struct BackwardMaps { Map own[2], other[2]; };
template <class Map> struct BackwardTaskArgs {
  cuda::BackwardArgs<bf16> args;  // tiles: of 128 own rows
  BackwardMaps<Map> maps;
};

template <int W, bool kForKeys> class BackwardHopper {
 public:
  static constexpr int kGroups = 2, kOwn = 64 * kGroups, kOther = 64, kStages = 2;
  static constexpr int kThreads = (kGroups + 1) * kGroupThreads;
  using Own = Tile<kOwn, W>;
  using Other = Tile<kOther, W>;
  struct Barriers {
    RingBarriers<1> own;
    RingBarriers<kStages> other;
  };
  static constexpr int kStatistics = kStages * 2 * kOther * 4;
  static constexpr int kTiles = 3 * Own::kBytes + kStages * 2 * Other::kBytes;
  static constexpr int kShared = 1024 + kTiles + kStatistics + static_cast<int>(sizeof(Barriers));

  // shared: at a multiple of 1024 bytes.
  LL_HD BackwardHopper(const cuda::BackwardArgs<bf16>& args, uint8_t* shared)
      : args_(args),
        own_(shared),
        out_(own_ + 2 * Own::kBytes),
        other_(out_ + Own::kBytes),
        statistics_(reinterpret_cast<float*>(other_ + kStages * 2 * Other::kBytes)),
        barriers_(reinterpret_cast<Barriers*>(statistics_ + kStages * 2 * kOther)) {}

  template <class Start> LL_HD void start(const Start& start) {
    constexpr int kArrivals = kGroups * kGroupThreads / cuda::kWarp;
    start(&barriers_->own.full[0], 1);
    start(&barriers_->own.empty[0], kArrivals);
    for (int i = 0; i < kStages; ++i) {
      start(&barriers_->other.full[i], 1);
      start(&barriers_->other.empty[i], kArrivals);
    }
  }

  // The part of the warp that asks for copies.
  template <class Group, class Map> LL_HD void bring(Group& b, const BackwardMaps<Map>& maps) {
    Ring<1> tile;
    Ring<kStages> ring;
    each_own_tile(b, [&](const Task& task, int own) {
      const Span span = span_of(task, own);
      if (span.begin >= span.end) return;
      b.wait(&barriers_->own.empty[0], tile.parity() ^ 1);
      b.expect(&barriers_->own.full[0], 2 * Own::kBytes);
      copy_both<Own>(b, maps.own, &barriers_->own.full[0], own_, task.head,
                     own + (kForKeys ? task.seg.k0 : task.seg.q0));
      tile.next();
      for (int h = task.first_head(), end = h + task.head_count(); h < end; ++h)
        for (int other = span.begin; other < span.end; other += kOther, ring.next()) {
          const int at = ring.stage(), row = other + (kForKeys ? task.seg.q0 : task.seg.k0);
          b.wait(&barriers_->other.empty[at], ring.parity() ^ 1);
          if (kForKeys) bring_statistics(b, task, at, other, h);
          b.expect(&barriers_->other.full[at], 2 * Other::kBytes);
          copy_both<Other>(b, maps.other, &barriers_->other.full[at], other_ + at * 2 * Other::kBytes,
                           kForKeys ? h : task.key_head, row);
        }
    });
  }

  // The part of warpgroup `group` of kGroups: 64 own rows of each tile.
  template <class Group> LL_HD void compute(Group& b, int group) {
    Ring<1> tile;
    Ring<kStages> ring;
    each_own_tile(b, [&](const Task& task, int own) {
      const Span span = span_of(task, own);
      const int first = own + 64 * group, left = task.own_rows() - first;
      const Place place{task, span, group, first, left < 64 ? left : 64};
      if (span.begin >= span.end) return zero(b, place);
      gradients(b, place, tile, ring);
      tile.next();
    });
  }

 private:
  using Task = cuda::BackwardTask<bf16, kForKeys>;
  template <class Group, class T> using PerThread = typename Group::template PerThread<T>;
  struct Span {
    int begin, end;  // other rows
  };
  struct Place {
    const Task& task;
    Span span;
    int group, first, rows;  // first: this group's first own row; rows: of its 64, perhaps none
  };
  struct Row {  // of this thread's own queries
    float lse[2], delta[2];
  };
  template <class Group> struct State {
    PerThread<Group, Sums<1, W / 8>> first, second;  // dq, or dk and dv
    PerThread<Group, Sums<1, kOther / 8>> p, ds;
    PerThread<Group, Pairs> p_pairs[kOther / 16], ds_pairs[kOther / 16];
    PerThread<Group, Row> row;
    Products<Group> products;
  };

  template <class Group, class F> LL_HD void each_own_tile(Group& b, const F& fn) {
    const AttentionShape& shape = args_.shape;
    const int64_t heads = kForKeys ? shape.NKV : shape.NH, pieces = (shape.S + 1) * heads * args_.tiles;
    for (int64_t round = 0; round * b.blocks() < pieces; ++round) {
      const int64_t piece = piece_of(round, b.index(), b.blocks());
      if (piece >= pieces) continue;
      const Task task(args_, work_at(piece, args_.tiles, heads, shape, kForKeys));
      const int step = static_cast<int>(args_.tiles) * kOwn;
      for (int own = task.first_tile * kOwn; own < task.own_rows(); own += step) fn(task, own);
    }
  }
  LL_HD Span span_of(const Task& task, int own) const {
    const int end = own + kOwn < task.own_rows() ? own + kOwn : task.own_rows();
    return {task.other_begin(own), task.other_end(end)};
  }

  template <class T, class Group, class Map>
  LL_HD void copy_both(Group& b, const Map (&maps)[2], Barrier* full, uint8_t* to, int head, int row) {
    for (int i = 0; i < 2; ++i)
      for (int panel = 0; panel < T::kPanels; ++panel)
        b.copy(maps[i], full, to + i * T::kBytes + panel * T::kPanelBytes, panel * kPanel, head, row);
  }
  // Before this warp's arrival at the full barrier: whoever waits there sees them.
  template <class Group> LL_HD void bring_statistics(Group& b, const Task& task, int at, int other, int h) {
    b.each([&](int t) {
      float* out = statistics_ + at * 2 * kOther;
      for (int i = t % cuda::kWarp; i < kOther; i += cuda::kWarp) {
        const bool valid = other + i < task.seg.nq;
        out[i] = valid ? args_.lse[task.statistic(other + i, h)] * cuda::kLog2e : 0;
        out[kOther + i] = valid ? args_.delta[task.statistic(other + i, h)] : 0;
      }
    });
    b.sync_warp();
  }

  template <class Group> LL_HD void gradients(Group& b, const Place& place, const Ring<1>& tile, Ring<kStages>& ring) {
    State<Group> s;
    b.each([&](int t) {
      LL_UNROLL for (int r = 0; r < 2; ++r) {
        const int i = place.first + cuda::row_of(t, 1, 0, r);
        const bool valid = !kForKeys && i < place.task.seg.nq;
        s.row[t].lse[r] = valid ? args_.lse[place.task.statistic(i, place.task.head)] * cuda::kLog2e : 0;
        s.row[t].delta[r] = valid ? args_.delta[place.task.statistic(i, place.task.head)] : 0;
      }
    });
    b.wait(&barriers_->own.full[0], tile.parity());
    for (int h = 0; h < place.task.head_count(); ++h)
      for (int other = place.span.begin; other < place.span.end; other += kOther, ring.next())
        step(b, s, place, ring, other);
    b.arrive_each_warp(&barriers_->own.empty[0]);
    store(b, s, place);
  }

  // One tile of other rows.
  template <class Group>
  LL_HD void step(Group& b, State<Group>& s, const Place& place, const Ring<kStages>& ring, int other) {
    uint8_t *a = other_ + ring.stage() * 2 * Other::kBytes, *d = a + Other::kBytes;
    const int others = kForKeys ? place.task.seg.nq : place.task.seg.nk;
    b.wait(&barriers_->other.full[ring.stage()], ring.parity());
    if (other + kOther > others) {
      clear_rows<Other, kGroups>(b, place.group, a, others - other, kOther);
      clear_rows<Other, kGroups>(b, place.group, d, others - other, kOther);
      b.sync_all();
    }
    s.products.begin(b, s.p);
    multiply_tiles<Own, Other, W>(b, s.products, s.p, own_, 64 * place.group, a);
    s.products.commit(b);
    s.products.begin(b, s.ds);
    multiply_tiles<Own, Other, W>(b, s.products, s.ds, own_ + Own::kBytes, 64 * place.group, d);
    s.products.commit(b);
    const bool masked = place.task.masked(place.first, 64, other, kOther);
    s.products.template wait<1>(b, s.p);
    probabilities(b, s, ring.stage());
    if (masked) mask(b, s.p, place, other);
    s.products.template wait<0>(b, s.ds);
    gradient(b, s, ring.stage());
    if (masked) mask(b, s.ds, place, other);
    if (kForKeys) pack_sums<kOther>(b, s.p_pairs, s.p);
    pack_sums<kOther>(b, s.ds_pairs, s.ds);
    if (kForKeys) {
      s.products.begin(b, s.second);
      multiply_pairs<Other, kOther>(b, s.products, s.second, s.p_pairs, d);
      s.products.commit(b);
    }
    s.products.begin(b, s.first);
    multiply_pairs<Other, kOther>(b, s.products, s.first, s.ds_pairs, a);
    s.products.commit(b);
    s.products.template wait<0>(b, s.first, s.second);
    b.arrive_each_warp(&barriers_->other.empty[ring.stage()]);
  }

  // fn(t, r, n, e, column): entry (r, 8 n + e) of this thread's scores, and the statistics of its column.
  template <class Group, class F> LL_HD void each_score(Group& b, int stage, const F& fn) {
    b.each([&](int t) {
      LL_UNROLL for (int n = 0; n < kOther / 8; ++n) LL_UNROLL for (int e = 0; e < 2; ++e) {
        const float* column = statistics_ + stage * 2 * kOther + 8 * n + cuda::column_of(t) + e;
        LL_UNROLL for (int r = 0; r < 2; ++r) fn(t, r, n, e, column);
      }
    });
  }
  template <class Group> LL_HD void probabilities(Group& b, State<Group>& s, int stage) {
    const float scale = static_cast<float>(args_.shape.scale) * cuda::kLog2e;
    each_score(b, stage, [&](int t, int r, int n, int e, const float* column) {
      float& x = s.p[t].c[0][n].v[2 * r + e];
      x = cuda::fast_exp2(x * scale - (kForKeys ? column[0] : s.row[t].lse[r]));
    });
  }
  // do . v becomes the gradient of the scores over scale.
  template <class Group> LL_HD void gradient(Group& b, State<Group>& s, int stage) {
    each_score(b, stage, [&](int t, int r, int n, int e, const float* column) {
      float& g = s.ds[t].c[0][n].v[2 * r + e];
      g = s.p[t].c[0][n].v[2 * r + e] * (g - (kForKeys ? column[kOther] : s.row[t].delta[r]));
    });
  }
  template <class Group, class S> LL_HD void mask(Group& b, S& sums, const Place& place, int other) {
    b.each([&](int t) {
      LL_UNROLL for (int r = 0; r < 2; ++r) LL_UNROLL for (int n = 0; n < kOther / 8; ++n)
          LL_UNROLL for (int e = 0; e < 2; ++e) {
        float& x = sums[t].c[0][n].v[2 * r + e];
        x = place.task.sees(place.first + cuda::row_of(t, 1, 0, r), other + 8 * n + cuda::column_of(t) + e) ? x : 0;
      }
    });
  }

  LL_HD bf16* out_at(const RowView<bf16>& to, const Place& place) const {
    return kForKeys ? place.task.key_at(to, place.first) : place.task.query_at(to, place.first, place.task.head);
  }
  template <class Group> LL_HD void zero(Group& b, const Place& place) {
    const auto& grads = args_.grads;
    b.each([&](int t) {
      if (place.rows <= 0) return;
      const RowView<bf16>& to = kForKeys ? grads.dk : grads.dq;
      cuda::zero_rows<kGroupThreads>(t, out_at(to, place), to.stride, place.rows, W);
      if (kForKeys) cuda::zero_rows<kGroupThreads>(t, out_at(grads.dv, place), grads.dv.stride, place.rows, W);
    });
  }
  template <class Group> LL_HD void store(Group& b, const State<Group>& s, const Place& place) {
    const auto& grads = args_.grads;
    const float scale = static_cast<float>(args_.shape.scale);
    const RowView<bf16>& to = kForKeys ? grads.dk : grads.dq;
    store_rows<Own, W>(b, s.first, out_, 64 * place.group, out_at(to, place), to.stride, place.rows,
                       [&](int, int) { return scale; });
    if (kForKeys)
      store_rows<Own, W>(b, s.second, out_, 64 * place.group, out_at(grads.dv, place), grads.dv.stride, place.rows,
                         [&](int, int) { return 1.0f; });
  }

  const cuda::BackwardArgs<bf16>& args_;
  uint8_t *own_, *out_, *other_;
  float* statistics_;
  Barriers* barriers_;
};

}  // namespace lowland::hopper

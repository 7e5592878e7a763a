// attention_forward in bf16 for an SM 9.0 (contract: kernels/attention.h; hopper.h has the words used here): a block
// stays and takes one tile of 128 queries of a head after another. One warp asks for tiles of queries, keys and values;
// two warpgroups of 64 queries each compute. The product of the next tile's scores runs beside that of this tile's
// values, and the softmax of the one beside the product of the other. Blocks share the tiles by number: where segments
// are of very different lengths, some blocks get more keys than others.
//
// REQUIRES  heads of 64 or 128 columns, every row at a multiple of 16 bytes, no dropout, no cap on the scores
// A thread of the two groups holds, at 128 columns, 64 sums, 64 scores and 32 pairs of probabilities. Shared memory at
// 128 columns: 32 KB of queries, 32 KB on the way out, two places of 32 KB for keys and two for values: 193 KB.
#pragma once
#include "kernels/lab/hopper/hopper.h"

namespace lowland::hopper {

template <class Map> struct ForwardMaps { Map q, k, v; };
template <class Map> struct ForwardTask {
  cuda::ForwardArgs<bf16> args;  // tiles: of 128 queries
  ForwardMaps<Map> maps;
};

// Tiles of queries of one block, in order: fn(segment, head, first query).
template <int kQueries, class F>
LL_HD void each_query_tile(const AttentionShape& shape, int64_t tiles, int64_t block, int64_t blocks, const F& fn) {
  const int64_t pieces = (shape.S + 1) * shape.NH * tiles;
  for (int64_t round = 0; round * blocks < pieces; ++round) {
    const int64_t piece = piece_of(round, block, blocks);
    if (piece >= pieces) continue;
    const cuda::Work work = work_at(piece, tiles, shape.NH, shape, false);
    const cuda::Segment seg = cuda::query_segment(shape, work.segment);
    for (int64_t i = work.tile * kQueries; i < seg.nq; i += tiles * kQueries)
      fn(seg, static_cast<int>(work.head), static_cast<int>(i));
  }
}

template <int W> class ForwardHopper {
 public:
  static constexpr int kGroups = 2, kQueries = 64 * kGroups, kKeys = 128, kStages = 2;
  static constexpr int kThreads = (kGroups + 1) * kGroupThreads;
  using Queries = Tile<kQueries, W>;
  using Keys = Tile<kKeys, W>;
  struct Barriers {
    RingBarriers<1> queries;
    RingBarriers<kStages> keys, values;
  };
  static constexpr int kTiles = 2 * Queries::kBytes + 2 * kStages * Keys::kBytes;
  static constexpr int kShared = 1024 + kTiles + static_cast<int>(sizeof(Barriers));  // 1024: to begin at a multiple

  // shared: at a multiple of 1024 bytes.
  LL_HD ForwardHopper(const AttentionShape& shape, int64_t tiles, uint8_t* shared)
      : shape_(shape),
        tiles_(tiles),
        q_(shared),
        out_(q_ + Queries::kBytes),
        k_(out_ + Queries::kBytes),
        v_(k_ + kStages * Keys::kBytes),
        barriers_(reinterpret_cast<Barriers*>(v_ + kStages * Keys::kBytes)) {}

  // By one thread: start(barrier, arrivals).
  template <class Start> LL_HD void start(const Start& start) {
    const auto ring = [&](auto& r, int n) {
      for (int i = 0; i < n; ++i) {
        start(&r.full[i], 1);
        start(&r.empty[i], kGroups * kGroupThreads / cuda::kWarp);
      }
    };
    ring(barriers_->queries, 1);
    ring(barriers_->keys, kStages);
    ring(barriers_->values, kStages);
  }

  // The part of the warp that asks for copies.
  template <class Group, class Map> LL_HD void bring(Group& b, const ForwardMaps<Map>& maps) {
    Ring<1> tile;
    Ring<kStages> ring;
    const int group = static_cast<int>(shape_.NH / shape_.NKV);
    each_query_tile<kQueries>(shape_, tiles_, b.index(), b.blocks(), [&](const cuda::Segment& seg, int head, int i0) {
      const Span span = span_of(seg, i0);
      if (span.begin >= span.end) return;
      bring_tile<Queries>(b, maps.q, barriers_->queries, tile, q_, head, seg.q0 + i0);
      tile.next();
      for (int j0 = span.begin; j0 < span.end; j0 += kKeys, ring.next()) {
        bring_tile<Keys>(b, maps.k, barriers_->keys, ring, k_, head / group, seg.k0 + j0);
        bring_tile<Keys>(b, maps.v, barriers_->values, ring, v_, head / group, seg.k0 + j0);
      }
    });
  }

  // The part of warpgroup `group` of kGroups: 64 queries of each tile.
  template <class Group> LL_HD void compute(Group& b, const cuda::ForwardArgs<bf16>& args, int group) {
    Ring<1> tile;
    Ring<kStages> ring;
    each_query_tile<kQueries>(shape_, tiles_, b.index(), b.blocks(), [&](const cuda::Segment& seg, int head, int i0) {
      const Span span = span_of(seg, i0);
      const int first = i0 + 64 * group, left = seg.nq - first, rows = left < 64 ? left : 64;
      const Place place{seg, span, head, group, first, rows};
      if (span.begin >= span.end) return zero(b, args, place);
      attend(b, args, place, tile, ring);
      tile.next();
    });
  }

 private:
  template <class Group, class T> using PerThread = typename Group::template PerThread<T>;
  struct Span {
    int begin, end;  // keys that some query of the tile sees; begin a multiple of kKeys
  };
  struct Place {
    cuda::Segment seg;
    Span span;
    int head, group, first, rows;  // first: this group's first query; rows: of its 64, perhaps none
  };
  struct Row {  // of this thread's two rows: greatest score, this thread's part of the sum of exp, what a new top costs
    float top[2], weight[2], rescale[2];
  };
  template <class Group> struct State {
    PerThread<Group, Sums<1, W / 8>> sums;
    PerThread<Group, Sums<1, kKeys / 8>> scores;
    PerThread<Group, Pairs> p[kKeys / 16];
    PerThread<Group, Row> row;
    Products<Group> products;
  };

  LL_HD Span span_of(const cuda::Segment& seg, int i0) const {
    const int last = (seg.nq - i0 < kQueries ? seg.nq : i0 + kQueries) - 1;
    return {cuda::first_key(seg, shape_.window, i0, kKeys), cuda::visible_keys(seg, shape_.causal, last)};
  }

  template <class T, class Group, class Map, int kPlaces>
  LL_HD void bring_tile(Group& b, const Map& map, RingBarriers<kPlaces>& barriers, const Ring<kPlaces>& ring,
                        uint8_t* tiles, int head, int row) {
    const int at = ring.stage();
    b.wait(&barriers.empty[at], ring.parity() ^ 1);
    b.expect(&barriers.full[at], T::kBytes);
    for (int panel = 0; panel < T::kPanels; ++panel)
      b.copy(map, &barriers.full[at], tiles + at * T::kBytes + panel * T::kPanelBytes, panel * kPanel, head, row);
  }

  LL_HD bf16* out_at(const cuda::ForwardArgs<bf16>& args, const Place& place) const {
    return args.o.data + (place.seg.q0 + place.first) * args.o.stride + place.head * W;
  }
  LL_HD float* lse_at(const cuda::ForwardArgs<bf16>& args, const Place& place, int row) const {
    return args.lse + (place.seg.q0 + place.first + row) * shape_.NH + place.head;
  }

  template <class Group> LL_HD void zero(Group& b, const cuda::ForwardArgs<bf16>& args, const Place& place) {
    b.each([&](int t) {
      if (place.rows <= 0) return;
      cuda::zero_rows<kGroupThreads>(t, out_at(args, place), args.o.stride, place.rows, W);
      if (t < place.rows) *lse_at(args, place, t) = 0;
    });
  }

  template <class Group>
  LL_HD void attend(Group& b, const cuda::ForwardArgs<bf16>& args, const Place& place, const Ring<1>& tile,
                    Ring<kStages>& ring) {
    State<Group> s;
    b.each([&](int t) { LL_UNROLL for (int r = 0; r < 2; ++r) s.row[t].top[r] = -INFINITY; });
    b.wait(&barriers_->queries.full[0], tile.parity());
    int j0 = place.span.begin;
    ask_scores(b, s, place, ring);
    s.products.template wait<0>(b, s.scores);
    use_scores(b, s, place, ring, j0);
    pack_sums<kKeys>(b, s.p, s.scores);
    for (j0 += kKeys; j0 < place.span.end; j0 += kKeys) {
      const Ring<kStages> before = ring;  // the tile whose values have not been added yet
      ring.next();
      ask_scores(b, s, place, ring);
      b.wait(&barriers_->values.full[before.stage()], before.parity());
      ask_values(b, s, before);
      s.products.template wait<1>(b, s.scores);
      use_scores(b, s, place, ring, j0);
      s.products.template wait<0>(b, s.sums);
      b.arrive_each_warp(&barriers_->values.empty[before.stage()]);
      rescale(b, s);
      pack_sums<kKeys>(b, s.p, s.scores);
    }
    b.wait(&barriers_->values.full[ring.stage()], ring.parity());
    if (j0 > place.seg.nk) {
      clear_rows<Keys, kGroups>(b, place.group, v_ + ring.stage() * Keys::kBytes, place.seg.nk + kKeys - j0, kKeys);
      b.sync_all();
    }
    ask_values(b, s, ring);
    s.products.template wait<0>(b, s.sums);
    b.arrive_each_warp(&barriers_->values.empty[ring.stage()]);
    ring.next();
    finish(b, args, s, place);
  }

  template <class Group>
  LL_HD void ask_scores(Group& b, State<Group>& s, const Place& place, const Ring<kStages>& ring) {
    b.wait(&barriers_->keys.full[ring.stage()], ring.parity());
    s.products.begin(b, s.scores);
    multiply_tiles<Queries, Keys, W>(b, s.products, s.scores, q_, 64 * place.group, k_ + ring.stage() * Keys::kBytes);
    s.products.commit(b);
  }
  template <class Group> LL_HD void ask_values(Group& b, State<Group>& s, const Ring<kStages>& ring) {
    s.products.begin(b, s.sums);
    multiply_pairs<Keys, kKeys>(b, s.products, s.sums, s.p, v_ + ring.stage() * Keys::kBytes);
    s.products.commit(b);
  }
  // Gives the keys back, with the last of them the queries, and makes probabilities of the scores.
  template <class Group>
  LL_HD void use_scores(Group& b, State<Group>& s, const Place& place, const Ring<kStages>& ring, int j0) {
    b.arrive_each_warp(&barriers_->keys.empty[ring.stage()]);
    if (j0 + kKeys >= place.span.end) b.arrive_each_warp(&barriers_->queries.empty[0]);
    if (masked(place, j0)) mask(b, s, place, j0);
    softmax(b, s);
  }

  // True if some query of this group does not see some key of the tile.
  LL_HD bool masked(const Place& place, int j0) const {
    return j0 + kKeys > cuda::visible_keys(place.seg, shape_.causal, place.first) ||
           j0 < cuda::first_key(place.seg, shape_.window, place.first + 63);
  }
  template <class Group> LL_HD void mask(Group& b, State<Group>& s, const Place& place, int j0) {
    b.each([&](int t) {
      LL_UNROLL for (int half = 0; half < 2; ++half) {
        const int query = place.first + cuda::row_of(t, 1, 0, half), first = j0 + cuda::column_of(t);
        const int end = cuda::visible_keys(place.seg, shape_.causal, query) - first;
        const int begin = cuda::first_key(place.seg, shape_.window, query) - first;
        LL_UNROLL for (int n = 0; n < kKeys / 8; ++n) LL_UNROLL for (int e = 0; e < 2; ++e) {
          float& score = s.scores[t].c[0][n].v[2 * half + e];
          score = 8 * n + e >= begin && 8 * n + e < end ? score : -INFINITY;
        }
      }
    });
  }

  // Scores become exp(scale (score - top)). The sums of before are scaled to the new top in rescale().
  template <class Group> LL_HD void softmax(Group& b, State<Group>& s) {
    const float scale = static_cast<float>(shape_.scale) * cuda::kLog2e;
    LL_UNROLL for (int half = 0; half < 2; ++half) {
      const auto quad = [&](int t, int n) { return &s.scores[t].c[0][n].v[2 * half]; };
      PerThread<Group, float> top;
      b.each([&](int t) {
        top[t] = s.row[t].top[half];
        LL_UNROLL for (int n = 0; n < kKeys / 8; ++n) top[t] = fmaxf(top[t], fmaxf(quad(t, n)[0], quad(t, n)[1]));
      });
      b.group_reduce(top, cuda::MaxOp<float>(), 4);
      b.each([&](int t) {
        Row& row = s.row[t];
        const float shift = top[t] == -INFINITY ? 0 : top[t] * scale;
        row.rescale[half] = cuda::fast_exp2(row.top[half] * scale - shift);
        float weight = row.weight[half] * row.rescale[half];
        LL_UNROLL for (int n = 0; n < kKeys / 8; ++n) LL_UNROLL for (int e = 0; e < 2; ++e) {
          float& score = quad(t, n)[e];
          weight += score = cuda::fast_exp2(score * scale - shift);
        }
        row.top[half] = top[t];
        row.weight[half] = weight;
      });
    }
  }
  template <class Group> LL_HD void rescale(Group& b, State<Group>& s) {
    b.each([&](int t) {
      LL_UNROLL for (int n = 0; n < W / 8; ++n) LL_UNROLL for (int i = 0; i < 4; ++i) s.sums[t].c[0][n].v[i] *=
          s.row[t].rescale[i / 2];
    });
  }

  template <class Group>
  LL_HD void finish(Group& b, const cuda::ForwardArgs<bf16>& args, State<Group>& s, const Place& place) {
    LL_UNROLL for (int half = 0; half < 2; ++half) {
      PerThread<Group, float> weight;
      b.each([&](int t) { weight[t] = s.row[t].weight[half]; });
      b.group_reduce(weight, cuda::AddOp<float>(), 4);
      b.each([&](int t) {
        const int row = cuda::row_of(t, 1, 0, half);
        s.row[t].weight[half] = weight[t];
        if (t % 4 == 0 && row < place.rows)
          *lse_at(args, place, row) =
              s.row[t].top[half] * static_cast<float>(shape_.scale) + logf(s.row[t].weight[half]);
      });
    }
    store_rows<Queries, W>(b, s.sums, out_, 64 * place.group, out_at(args, place), args.o.stride, place.rows,
                           [&](int t, int half) { return 1 / s.row[t].weight[half]; });
  }

  const AttentionShape& shape_;
  int64_t tiles_;
  uint8_t *q_, *out_, *k_, *v_;
  Barriers* barriers_;
};

}  // namespace lowland::hopper

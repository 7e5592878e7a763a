// attention_backward in bf16 on tensor cores: both passes of attention_backward_work.h. A block owns 64 MT rows, its
// warps 16 MT each; scores, their gradient and the sums of the result live in registers, and what was a result of one
// product is the left operand of the next without leaving them.
#pragma once
#include "kernels/cuda/attention_backward_work.h"
#include "kernels/cuda/attention_mma.h"

namespace lowland::cuda {

template <class Block, int W, int MT, int kOther, bool kForKeys, bool kDrops> class BackwardMma {
 public:
  static constexpr int kOwn = 64 * MT, kLd = kPitch<W>, kKeepBytes = kDrops ? kOwn * kOther / 8 : 0;
  static constexpr int kShared = (2 * kOwn + 4 * kOther) * kLd * 2 + 4 * kOther * 4 + 2 * kKeepBytes;

  LL_HD BackwardMma(Block& b, const BackwardArgs<bf16>& args, uint8_t* shared)
      : b_(b),
        args_(args),
        task_(args, b.index()),
        own_(reinterpret_cast<bf16*>(shared)),
        other_(own_ + 2 * kOwn * kLd),
        statistics_(reinterpret_cast<float*>(other_ + 4 * kOther * kLd)),
        keep_(reinterpret_cast<uint8_t*>(statistics_ + 4 * kOther)) {}

  LL_HD void run() {
    if (kDrops) key_ = key_of(args_.shape.draws);
    const int step = static_cast<int>(args_.tiles) * kOwn;
    for (int at = task_.first_tile * kOwn; at < task_.own_rows(); at += step) own_tile(at);
  }

 private:
  template <class T> using PerThread = typename Block::template PerThread<T>;
  using Result = PerThread<Sums<MT, W / 8>>;
  using Scores = PerThread<Sums<MT, kOther / 8>>;
  struct Row {  // of this thread's own queries
    float lse[2 * MT], delta[2 * MT];
  };

  LL_HD void own_tile(int own) {
    const int rows = task_.own_rows() - own < kOwn ? task_.own_rows() - own : kOwn;
    const int begin = task_.other_begin(own), end = task_.other_end(own + rows);
    Result first, second;  // dq, or dk and dv
    if (begin < end) {
      b_.sync();  // the tile before this one is done with the shared memory
      PerThread<Row> row;
      b_.each([&](int t) {
        fetch_own(t, own, rows);
        if (!kForKeys) load_row(t, row[t], own);
        fetch_other(t, own, begin, task_.first_head(), 0);
      });
      int buffer = 0;
      for (int h = task_.first_head(), last = h + task_.head_count(); h < last; ++h)
        for (int other = begin; other < end; other += kOther, buffer ^= 1) {
          b_.each([&](int t) { copies_.template wait<0>(t); });
          b_.sync();
          b_.each([&](int t) {
            const bool more = other + kOther < end;
            if (more || h + 1 < last) fetch_other(t, own, more ? other + kOther : begin, more ? h : h + 1, buffer ^ 1);
          });
          step(first, second, row, own, other, buffer);
        }
    }
    store(first, second, own, rows);
  }

  // One tile of other rows.
  LL_HD void step(Result& first, Result& second, const PerThread<Row>& row, int own, int other, int buffer) {
    const bf16* tile = other_at(buffer);
    Scores p, ds;
    multiply_rows<MT, kOther, W>(b_, p, own_, tile);
    multiply_rows<MT, kOther, W>(b_, ds, own_ + kOwn * kLd, tile + kOther * kLd);
    gradient(p, ds, row, buffer);
    if (task_.masked(own, kOwn, other, kOther)) mask(p, ds, own, other);
    if (kForKeys) multiply_sums<MT, W, kOther>(b_, second, p, tile + kOther * kLd);
    multiply_sums<MT, W, kOther>(b_, first, ds, tile);
  }

  LL_HD bf16* other_at(int buffer) const { return other_ + buffer * 2 * kOther * kLd; }

  LL_HD void fetch_own(int t, int own, int rows) {
    const int64_t h = task_.head;
    const auto& in = args_.in;
    const bf16* a = kForKeys ? task_.key_at(in.k, own) : task_.query_at(in.q, own, h);
    const bf16* d = kForKeys ? task_.key_at(in.v, own) : task_.query_at(args_.dout, own, h);
    const int HD = static_cast<int>(args_.shape.HD);
    fetch_tile<Block, kOwn, W>(copies_, t, own_, a, kForKeys ? in.k.stride : in.q.stride, rows, HD, args_.vectors);
    fetch_tile<Block, kOwn, W>(copies_, t, own_ + kOwn * kLd, d, kForKeys ? in.v.stride : args_.dout.stride, rows, HD,
                               args_.vectors);
  }

  LL_HD void load_row(int t, Row& row, int own) {
    LL_UNROLL for (int r = 0; r < 2 * MT; ++r) {
      const int i = own + row_of(t, MT, r / 2, r % 2);
      const bool valid = i < task_.seg.nq;
      row.lse[r] = valid ? args_.lse[task_.statistic(i, task_.head)] * kLog2e : 0;
      row.delta[r] = valid ? args_.delta[task_.statistic(i, task_.head)] : 0;
    }
  }

  // Asks for the other rows from `other` on as head h has them, and draws who is dropped.
  LL_HD void fetch_other(int t, int own, int other, int64_t h, int buffer) {
    const auto& in = args_.in;
    const bf16* a = kForKeys ? task_.query_at(in.q, other, h) : task_.key_at(in.k, other);
    const bf16* d = kForKeys ? task_.query_at(args_.dout, other, h) : task_.key_at(in.v, other);
    const int HD = static_cast<int>(args_.shape.HD), rows = (kForKeys ? task_.seg.nq : task_.seg.nk) - other;
    bf16* to = other_at(buffer);
    fetch_tile<Block, kOther, W>(copies_, t, to, a, kForKeys ? in.q.stride : in.k.stride, rows, HD, args_.vectors);
    fetch_tile<Block, kOther, W>(copies_, t, to + kOther * kLd, d, kForKeys ? args_.dout.stride : in.v.stride, rows, HD,
                                 args_.vectors);
    copies_.commit(t);
    if (kForKeys && t < kOther) {
      float* out = statistics_ + buffer * 2 * kOther + t;
      out[0] = t < rows ? args_.lse[task_.statistic(other + t, h)] * kLog2e : 0;
      out[kOther] = t < rows ? args_.delta[task_.statistic(other + t, h)] : 0;
    }
    if (kDrops)
      fill_keep<kForKeys ? kOther : kOwn, kForKeys ? kOwn : kOther, kMmaThreads>(
          t, keep_ + buffer * kKeepBytes, args_.shape, key_, task_.seg, h, kForKeys ? other : own,
          kForKeys ? own : other);
  }

  LL_HD bool kept(int own, int other, int buffer) const {
    constexpr int kOctets = (kForKeys ? kOwn : kOther) / 8;
    const int i = kForKeys ? other : own, j = kForKeys ? own : other;
    return (keep_[buffer * kKeepBytes + i * kOctets + j / 8] >> (j % 8) & 1) != 0;
  }

  // From scores and do . v to probabilities, zero where dropped, and the gradient of the scores over scale.
  LL_HD void gradient(Scores& p, Scores& ds, const PerThread<Row>& row, int buffer) {
    const float scale = static_cast<float>(args_.shape.scale) * kLog2e;
    const float kept_scale = static_cast<float>(args_.shape.keep_scale);
    b_.each([&](int t) {
      LL_UNROLL for (int n = 0; n < kOther / 8; ++n) LL_UNROLL for (int e = 0; e < 2; ++e) {
        const int other = 8 * n + column_of(t) + e;
        const float* column = statistics_ + buffer * 2 * kOther + other;
        LL_UNROLL for (int r = 0; r < 2 * MT; ++r) {
          float& x = p[t].c[r / 2][n].v[2 * (r % 2) + e];
          float& g = ds[t].c[r / 2][n].v[2 * (r % 2) + e];
          const float lse = kForKeys ? column[0] : row[t].lse[r], delta = kForKeys ? column[kOther] : row[t].delta[r];
          x = fast_exp2(x * scale - lse);
          if (kDrops && !kept(row_of(t, MT, r / 2, r % 2), other, buffer)) {
            g = -x * delta;
            x = 0;
          } else {
            g = x * ((kDrops ? kept_scale * g : g) - delta);
          }
        }
      }
    });
  }

  LL_HD void mask(Scores& p, Scores& ds, int own, int other) {
    b_.each([&](int t) {
      LL_UNROLL for (int r = 0; r < 2 * MT; ++r) LL_UNROLL for (int n = 0; n < kOther / 8; ++n)
          LL_UNROLL for (int e = 0; e < 2; ++e) {
        if (task_.sees(own + row_of(t, MT, r / 2, r % 2), other + 8 * n + column_of(t) + e)) continue;
        p[t].c[r / 2][n].v[2 * (r % 2) + e] = ds[t].c[r / 2][n].v[2 * (r % 2) + e] = 0;
      }
    });
  }

  LL_HD void store(const Result& first, const Result& second, int own, int rows) {
    const auto& grads = args_.grads;
    const float scale = static_cast<float>(args_.shape.scale);
    const float kept_scale = kDrops ? static_cast<float>(args_.shape.keep_scale) : 1.0f;
    const RowView<bf16>& to = kForKeys ? grads.dk : grads.dq;
    bf16* out = kForKeys ? task_.key_at(to, own) : task_.query_at(to, own, task_.head);
    const int HD = static_cast<int>(args_.shape.HD);
    store_sums<MT, W>(b_, first, own_, out, to.stride, rows, HD, args_.vectors, [&](int, int) { return scale; });
    if (kForKeys)
      store_sums<MT, W>(b_, second, own_ + kOwn * kLd, task_.key_at(grads.dv, own), grads.dv.stride, rows, HD,
                        args_.vectors, [&](int, int) { return kept_scale; });
  }

  Block& b_;
  const BackwardArgs<bf16>& args_;
  AsyncCopies<Block> copies_;
  BackwardTask<bf16, kForKeys> task_;
  bf16 *own_, *other_;
  float* statistics_;
  uint8_t* keep_;
  PhiloxKey key_{};
};

}  // namespace lowland::cuda

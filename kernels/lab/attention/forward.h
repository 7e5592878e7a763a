// attention forward (contract: kernels/attention.h), bf16. The floor is the tensor cores, not memory.
#pragma once
#include "kernels/cuda/attention_forward_mma.h"
#include "kernels/lab/attention/hopper.h"
#include "kernels/lab/attention/problem.h"

namespace lowland::lab {

// A block whose copies into shared memory are ordinary loads and stores: nothing is under way while it computes.
template <class Block> class WaitingBlock : public Block {
 public:
  LL_HD explicit WaitingBlock(const Block& b) : Block(b) {}
};

}  // namespace lowland::lab

namespace lowland::cuda {

template <class Block> class AsyncCopies<lab::WaitingBlock<Block>> {
 public:
  LL_HD void copy16(void* to, const void* from, bool valid) {
    *static_cast<Vec<uint32_t>*>(to) = valid ? *static_cast<const Vec<uint32_t>*>(from) : Vec<uint32_t>{};
  }
  LL_HD void commit(int) {}
  template <int kPending> LL_HD void wait(int) {}
};

}  // namespace lowland::cuda

namespace lowland::lab {

using AttentionArgs = cuda::ForwardArgs<bf16>;

// A query on its way through the keys.
template <int HD> struct QueryInHand {
  float q[HD], sum[HD], top, weight;

  LL_HD void start(const bf16* from) {
    for (int c = 0; c < HD; ++c) q[c] = at(from, c), sum[c] = 0;
    top = -INFINITY;
    weight = 0;
  }
  template <class Key> LL_HD void meet(const Key* k, const Key* v, float scale) {
    float score = 0;
    for (int c = 0; c < HD; ++c) score += q[c] * static_cast<float>(k[c]);
    score *= scale;
    const float higher = fmaxf(top, score), rescale = expf(top - higher), p = expf(score - higher);
    for (int c = 0; c < HD; ++c) sum[c] = sum[c] * rescale + p * static_cast<float>(v[c]);
    weight = weight * rescale + p;
    top = higher;
  }
  LL_HD void finish(bf16* o, float* lse) const {
    for (int c = 0; c < HD; ++c) o[c] = bf16(sum[c] / weight);
    *lse = top + logf(weight);
  }
};

// A thread per query; every thread of a warp reads the same key, out of the caches at best. Grid: (head, 128 queries)
template <int HD> struct Attention1ThreadPerQuery {
  static constexpr int kThreads = 128;
  AttentionArgs a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    const AttentionShape& shape = a.shape;
    const int64_t tiles = (shape.NQ + kThreads - 1) / kThreads, h = b.index() / tiles, kv = h / (shape.NH / shape.NKV);
    b.each([&](int t) {
      const int64_t row = b.index() % tiles * kThreads + t;
      if (row >= shape.NQ) return;
      const cuda::Segment seg = cuda::query_segment(shape, row / shape.max_q);
      QueryInHand<HD> query;
      query.start(a.in.q.data + row * a.in.q.stride + h * HD);
      for (int j = 0; j < cuda::visible_keys(seg, shape.causal, static_cast<int>(row) - seg.q0); ++j)
        query.meet(a.in.k.data + (seg.k0 + j) * a.in.k.stride + kv * HD,
                   a.in.v.data + (seg.k0 + j) * a.in.v.stride + kv * HD, static_cast<float>(shape.scale));
      query.finish(a.o.data + row * a.o.stride + h * HD, a.lse + row * shape.NH + h);
    });
  }
};

// 32 keys at a time come to shared memory once for 128 queries. Grid: (head, segment, tile of queries)
template <int HD> struct Attention2SharedKeys {
  static constexpr int kThreads = 128, kKeys = 32, kShared = 2 * kKeys * HD * 4;
  AttentionArgs a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const {
    auto *keys = reinterpret_cast<float*>(shared), *values = keys + kKeys * HD;
    const AttentionShape& shape = a.shape;
    const int64_t h = b.index() / (a.tiles * shape.S), kv = h / (shape.NH / shape.NKV);
    const cuda::Segment seg = cuda::query_segment(shape, b.index() / a.tiles % shape.S);
    const int i0 = static_cast<int>(b.index() % a.tiles) * kThreads;
    typename Block::template PerThread<QueryInHand<HD>> query;
    b.each([&](int t) {
      const int64_t row = seg.q0 + (i0 + t < seg.nq ? i0 + t : 0);
      query[t].start(a.in.q.data + row * a.in.q.stride + h * HD);
    });
    for (int j0 = 0; j0 < seg.nk; j0 += kKeys) {
      b.sync();
      b.each([&](int t) {
        for (int place = t; place < kKeys * HD; place += kThreads) {
          const int j = place / HD, c = place % HD;
          const int64_t key = seg.k0 + (j0 + j < seg.nk ? j0 + j : 0);
          keys[place] = at(a.in.k.data + key * a.in.k.stride + kv * HD, c);
          values[place] = at(a.in.v.data + key * a.in.v.stride + kv * HD, c);
        }
      });
      b.sync();
      b.each([&](int t) {
        const int end = i0 + t < seg.nq ? cuda::visible_keys(seg, shape.causal, i0 + t) - j0 : 0;
        for (int j = 0; j < kKeys && j < end; ++j)
          query[t].meet(keys + j * HD, values + j * HD, static_cast<float>(shape.scale));
      });
    }
    b.each([&](int t) {
      const int64_t row = seg.q0 + i0 + t;
      if (i0 + t < seg.nq) query[t].finish(a.o.data + row * a.o.stride + h * HD, a.lse + row * shape.NH + h);
    });
  }
};

// The engine's body, over a block that waits for its copies or one that does not, with 64 or 128 queries.
template <int HD, int MT, bool kWaits> struct AttentionTensorCores {
  static constexpr int kThreads = cuda::kMmaThreads;
  template <class Block> using Body = cuda::ForwardMma<Block, HD, MT, false>;
  static constexpr int kQueries = 64 * MT;
  AttentionArgs a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const {
    if constexpr (kWaits) {
      WaitingBlock<Block> waiting(b);
      Body<WaitingBlock<Block>>(waiting, a, shared).run();
    } else {
      Body<Block>(b, a, shared).run();
    }
  }
};

template <int HD, int MT, bool kWaits, class Lab> void launch_tensor_cores(Lab& lab, AttentionArgs args) {
  using Launched = AttentionTensorCores<HD, MT, kWaits>;
  using Sizes = typename Launched::template Body<typename Lab::template Block<Launched::kThreads>>;
  const AttentionShape& shape = args.shape;
  args.tiles = cuda::tiles_of(shape.max_q, shape.NQ, Launched::kQueries);
  lab.launch((shape.S + 1) * shape.NH * args.tiles, Sizes::kShared, Launched{args});
}

template <int HD, class Lab> void attention_forward(Lab& lab, const Problem& p) {
  Experiment e{.op = "attention forward",
               .shape = p.name(),
               .bytes = 2.0 * static_cast<double>(p.N() * (p.width() + p.NH * HD)),
               .flops = p.flops(2),
               .tolerance = 1.0 / 100};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  const auto qkv = random_values<bf16>(p.N() * p.width(), 1);
  const auto cu = p.bounds();
  const auto inputs = to_real<Real>(qkv);
  std::vector<Real> want(p.N() * p.NH * HD), lse(p.N() * p.NH);
  cpu_v3::attention_forward<Real>(lab.cpu(), {want.data(), p.NH * HD}, lse.data(), p.inputs(inputs.data()),
                                  p.shape(cu.data()));
  const typename Lab::template Array<bf16> dqkv(qkv);
  const typename Lab::template Array<int32_t> dcu(cu);
  typename Lab::template Array<bf16> o(p.N() * p.NH * HD);
  typename Lab::template Array<float> dlse(p.N() * p.NH);
  AttentionArgs args{{o.data(), p.NH * HD}, dlse.data(), p.inputs<bf16>(dqkv.data()), p.shape(dcu.data()), 0, true};
  args.tiles = cuda::tiles_of(p.length, p.N(), 128);
  e.prepare = [&] {
    o.poison();
    dlse.poison();
  };
  e.error = [&] { return std::max(largest_error(o.download(), want), largest_error(dlse.download(), lse)); };
  if (p.small()) {
    e.versions.push_back({"1 thread per query",
                          [&] { lab.launch(blocks_of(p.N(), 128) * p.NH, 0, Attention1ThreadPerQuery<HD>{args}); }});
    e.versions.push_back({"2 keys in shared memory", [&] {
                            lab.launch(p.S * args.tiles * p.NH, Attention2SharedKeys<HD>::kShared,
                                       Attention2SharedKeys<HD>{args});
                          }});
  }
  e.versions.push_back({"3 tensor cores", [&] { launch_tensor_cores<HD, 1, true>(lab, args); }});
  e.versions.push_back({"4 cp.async, two tiles of keys", [&] { launch_tensor_cores<HD, 1, false>(lab, args); }});
  e.versions.push_back({"5 128 queries a block (the engine's)", [&] {
                          if constexpr (Lab::kDevice)
                            cuda::attention_forward<bf16>(lab.gpu(), args.o, args.lse, args.in, args.shape);
                          else
                            launch_tensor_cores<HD, 2, false>(lab, args);
                        }});
  e.versions.push_back({"6 wgmma, TMA, warps with parts (sm_90a)", {}});
  if (hopper_here(lab)) e.versions.back().run = [&] { launch_forward_hopper(lab, args); };
  lab.measure(e);
}

template <class Lab> void attention_forward_versions(Lab& lab) {
  attention_forward<64>(lab, kProblems[0]);
  attention_forward<128>(lab, kProblems[1]);
  if constexpr (!Lab::kDevice) {
    attention_forward<64>(lab, kSmallProblems[0]);
    attention_forward<128>(lab, kSmallProblems[1]);
  }
}

}  // namespace lowland::lab

// attention backward (contract: kernels/attention.h), bf16: how many rows a block owns and how many it goes through at
// a time, for both passes of kernels/cuda/attention_backward_work.h. delta is computed once, beforehand.
#pragma once
#include "kernels/cuda/attention_backward_mma.h"
#include "kernels/lab/attention/hopper.h"
#include "kernels/lab/attention/problem.h"

namespace lowland::lab {

using AttentionGradientArgs = cuda::BackwardArgs<bf16>;

template <int HD, int MT, int kOther, bool kForKeys> struct AttentionGradient {
  static constexpr int kThreads = cuda::kMmaThreads;
  template <class Block> using Body = cuda::BackwardMma<Block, HD, MT, kOther, kForKeys, false>;
  AttentionGradientArgs a;
  template <class Block> LL_HD void operator()(Block& b, uint8_t* shared) const { Body<Block>(b, a, shared).run(); }
};

struct AttentionDelta {
  static constexpr int kThreads = 256;
  float* delta;
  RowView<const bf16> dout, o;
  AttentionShape shape;
  template <class Block> LL_HD void operator()(Block& b, uint8_t*) const {
    cuda::attention_delta<Block, bf16>(b, delta, dout, o, shape, true);
  }
};

template <int HD, int MT, int kOther, bool kForKeys, class Lab>
void launch_gradient_pass(Lab& lab, AttentionGradientArgs args) {
  using Launched = AttentionGradient<HD, MT, kOther, kForKeys>;
  using Sizes = typename Launched::template Body<typename Lab::template Block<Launched::kThreads>>;
  const AttentionShape& shape = args.shape;
  args.tiles = kForKeys ? cuda::tiles_of(shape.max_k, shape.NK, Sizes::kOwn)
                        : cuda::tiles_of(shape.max_q, shape.NQ, Sizes::kOwn);
  lab.launch((shape.S + 1) * (kForKeys ? shape.NKV : shape.NH) * args.tiles, Sizes::kShared, Launched{args});
}

template <int HD, int MT, int kOther, class Lab> void launch_gradients(Lab& lab, const AttentionGradientArgs& args) {
  launch_gradient_pass<HD, MT, kOther, true>(lab, args);
  launch_gradient_pass<HD, MT, kOther, false>(lab, args);
}

// delta: room for (NQ, NH).
template <int HD, class Lab>
void attention_backward_engine(Lab& lab, AttentionGradientArgs args, RowView<const bf16> o, float* delta) {
  if constexpr (Lab::kDevice) {
    cuda::attention_backward<bf16>(lab.gpu(), args.grads, args.dout, o, args.lse, args.in, args.shape);
  } else {
    lab.launch(blocks_of(args.shape.NQ * args.shape.NH, 32), 0, AttentionDelta{delta, args.dout, o, args.shape});
    args.delta = delta;
    launch_gradient_pass<HD, HD <= 64 ? 2 : 1, 32, true>(lab, args);
    launch_gradient_pass<HD, 2, 32, false>(lab, args);
  }
}

template <int HD, class Lab> void attention_backward(Lab& lab, const Problem& p) {
  const int64_t out = p.NH * HD;
  Experiment e{.op = "attention backward",
               .shape = p.name(),
               .bytes = 2.0 * static_cast<double>(p.N() * (2 * p.width() + 2 * out)),
               .flops = p.flops(5),
               .tolerance = 1.0 / 30};
  if (!lab.opens(e)) return;
  using Real = typename Lab::Real;
  const auto qkv = random_values<bf16>(p.N() * p.width(), 1), dout = random_values<bf16>(p.N() * out, 2);
  const auto cu = p.bounds();
  const auto inputs = to_real<Real>(qkv), douts = to_real<Real>(dout);
  std::vector<Real> o(p.N() * out), lse(p.N() * p.NH), want(qkv.size());
  const auto gradients = [&](auto* to) {
    return AttentionGradients<std::remove_pointer_t<decltype(to)>>{
        {to, p.width()}, {to + out, p.width()}, {to + out + p.NKV * HD, p.width()}};
  };
  cpu_v3::attention_forward<Real>(lab.cpu(), {o.data(), out}, lse.data(), p.inputs(inputs.data()), p.shape(cu.data()));
  cpu_v3::attention_backward<Real>(lab.cpu(), gradients(want.data()), {douts.data(), out}, {o.data(), out}, lse.data(),
                                   p.inputs(inputs.data()), p.shape(cu.data()));
  std::vector<float> deltas(lse.size());
  std::vector<bf16> rounded(o.size());
  for (size_t i = 0; i < o.size(); ++i) {
    rounded[i] = bf16(static_cast<float>(o[i]));
    deltas[i / HD] += static_cast<float>(rounded[i]) * static_cast<float>(douts[i]);
  }
  const typename Lab::template Array<bf16> dqkv(qkv), ddout(dout), d_o(rounded);
  const typename Lab::template Array<float> dlse(std::vector<float>(lse.begin(), lse.end())), ddelta(deltas),
      room(static_cast<int64_t>(deltas.size()));
  const typename Lab::template Array<int32_t> dcu(cu);
  typename Lab::template Array<bf16> grads(p.N() * p.width());
  const AttentionGradientArgs args{gradients(grads.data()),     {ddout.data(), out}, dlse.data(), ddelta.data(),
                                   p.inputs<bf16>(dqkv.data()), p.shape(dcu.data()), 0,           true};
  e.prepare = [&] { grads.poison(); };
  e.error = [&] { return largest_error(grads.download(), want); };
  e.versions = {{"1 64 rows against 64", [&] { launch_gradients<HD, 1, 64>(lab, args); }},
                {"2 64 rows against 32", [&] { launch_gradients<HD, 1, 32>(lab, args); }},
                {"3 128 rows where they fit, and delta (the engine's)", [&] {
                   attention_backward_engine<HD>(lab, args, {d_o.data(), out}, room.data());
                 }}};
  e.versions.push_back({"4 wgmma, TMA, warps with parts (sm_90a)", {}});
  if (hopper_here(lab))
    e.versions.back().run = [&] {
      launch_backward_hopper(lab, args, true);
      launch_backward_hopper(lab, args, false);
    };
  lab.measure(e);
}

template <class Lab> void attention_backward_versions(Lab& lab) {
  attention_backward<64>(lab, kProblems[0]);
  attention_backward<128>(lab, kProblems[1]);
  if constexpr (!Lab::kDevice) {
    attention_backward<64>(lab, kSmallProblems[0]);
    attention_backward<128>(lab, kSmallProblems[1]);
  }
}

}  // namespace lowland::lab

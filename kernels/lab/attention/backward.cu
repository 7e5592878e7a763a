// attention backward (contract: kernels/attention.h), bf16: how many rows a block owns and how many it goes through at
// a time, for both passes of kernels/cuda/attention_backward_work.h. delta is computed once, beforehand.
#include "kernels/cuda/attention_backward_launch.cuh"
#include "kernels/cuda/attention_backward_mma.h"
#include "kernels/cuda/device_mma.cuh"
#include "kernels/lab/attention/problem.h"

namespace lowland::lab {
namespace {

using Args = cuda::BackwardArgs<bf16>;
using Block = cuda::DeviceBlock<cuda::kMmaThreads>;

template <int HD, int MT, int kOther, bool kForKeys>
__global__ void __launch_bounds__(cuda::kMmaThreads) attention_backward_body(const __grid_constant__ Args args) {
  extern __shared__ __align__(16) uint8_t shared[];
  Block block;
  cuda::BackwardMma<Block, HD, MT, kOther, kForKeys, false>(block, args, shared).run();
}

template <int HD, int MT, int kOther, bool kForKeys> void launch_pass(Ctx& ctx, Args args) {
  using Body = cuda::BackwardMma<Block, HD, MT, kOther, kForKeys, false>;
  const auto kernel = attention_backward_body<HD, MT, kOther, kForKeys>;
  cuda::allow_shared(kernel, Body::kShared);
  LL_CUDA_LAUNCH(ctx, cuda::backward_grid(args, kForKeys, Body::kOwn), cuda::kMmaThreads, Body::kShared, kernel, args);
}

template <int HD, int MT, int kOther> void launch_passes(Ctx& ctx, const Args& args) {
  launch_pass<HD, MT, kOther, true>(ctx, args);
  launch_pass<HD, MT, kOther, false>(ctx, args);
}

template <int HD> void measure(Lab& lab, const Problem& p) {
  const auto qkv = random_values<bf16>(p.N() * p.width(), 1), dout = random_values<bf16>(p.N() * p.NH * HD, 2);
  const auto cu = p.bounds();
  const int64_t out = p.NH * HD;
  const auto inputs = to_float(qkv), douts = to_float(dout);
  std::vector<float> o(p.N() * out), lse(p.N() * p.NH), want(qkv.size());
  const auto gradients = [&](auto* to) {
    return AttentionGradients<std::remove_pointer_t<decltype(to)>>{
        {to, p.width()}, {to + out, p.width()}, {to + out + p.NKV * HD, p.width()}};
  };
  cpu_v3::attention_forward<float>(lab.cpu(), {o.data(), out}, lse.data(), p.inputs(inputs.data()), p.shape(cu.data()));
  cpu_v3::attention_backward<float>(lab.cpu(), gradients(want.data()), {douts.data(), out}, {o.data(), out}, lse.data(),
                                    p.inputs(inputs.data()), p.shape(cu.data()));
  std::vector<float> deltas(lse.size());
  std::vector<bf16> rounded(o.size());
  for (size_t i = 0; i < o.size(); ++i) {
    rounded[i] = bf16(o[i]);
    deltas[i / HD] += static_cast<float>(rounded[i]) * douts[i];
  }
  const DeviceArray<bf16> dqkv(qkv), ddout(dout), d_o(rounded);
  const DeviceArray<float> dlse(lse), ddelta(deltas);
  const DeviceArray<int32_t> dcu(cu);
  DeviceArray<bf16> grads(p.N() * p.width());
  const Args args{gradients(grads.data()),     {ddout.data(), out}, dlse.data(), ddelta.data(),
                  p.inputs<bf16>(dqkv.data()), p.shape(dcu.data()), 0,           true};
  lab.measure({.op = "attention backward",
               .shape = p.name(),
               .bytes = 2.0 * static_cast<double>(p.N() * (2 * p.width() + 2 * out)),
               .flops = p.flops(5),
               .prepare = [&] { grads.poison(); },
               .error = [&] { return largest_error(grads.download(), want); },
               .tolerance = 1.0 / 30,
               .versions = {{"1 64 rows against 64", [&](Ctx& ctx) { launch_passes<HD, 1, 64>(ctx, args); }},
                            {"2 64 rows against 32", [&](Ctx& ctx) { launch_passes<HD, 1, 32>(ctx, args); }},
                            {"3 128 rows up to 64 columns, and delta (the engine's)", [&](Ctx& ctx) {
                               cuda::attention_backward<bf16>(ctx, args.grads, args.dout, {d_o.data(), out}, args.lse,
                                                              args.in, args.shape);
                             }}}});
}

}  // namespace

void attention_backward_versions(Lab& lab) {
  measure<64>(lab, kProblems[0]);
  measure<128>(lab, kProblems[1]);
}

}  // namespace lowland::lab

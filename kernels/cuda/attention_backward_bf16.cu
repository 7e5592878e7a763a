#include "kernels/cuda/attention_backward_launch.cuh"
#include "kernels/cuda/attention_backward_mma.h"
#include "kernels/cuda/device_mma.cuh"

namespace lowland::cuda {
namespace {

template <int W, int MT, bool kForKeys, bool kDrops>
__global__ void __launch_bounds__(kMmaThreads)
    attention_backward_mma_kernel(const __grid_constant__ BackwardArgs<bf16> args) {
  extern __shared__ __align__(16) uint8_t shared[];
  DeviceBlock<kMmaThreads> block;
  BackwardMma<DeviceBlock<kMmaThreads>, W, MT, 32, kForKeys, kDrops>(block, args, shared).run();
}

template <int W, int MT, bool kForKeys, bool kDrops> void launch_mma(Ctx& ctx, BackwardArgs<bf16> args) {
  using Body = BackwardMma<DeviceBlock<kMmaThreads>, W, MT, 32, kForKeys, kDrops>;
  const auto attention_backward_mma = attention_backward_mma_kernel<W, MT, kForKeys, kDrops>;
  allow_shared(attention_backward_mma, Body::kShared);
  LL_CUDA_LAUNCH(ctx, backward_grid(args, kForKeys, Body::kOwn), kMmaThreads, Body::kShared, attention_backward_mma,
                 args);
}

// 128 own rows where registers and the longest segment allow it, and heads are wide enough to gain: heads of up to 64
// in both passes; of 128 for dq, which has one result where the other pass has two, on devices with the shared memory.
template <int W, bool kForKeys, bool kDrops> void launch_width(Ctx& ctx, const BackwardArgs<bf16>& args) {
  const AttentionShape& shape = args.shape;
  const int64_t longest =
      kForKeys ? (shape.max_k > 0 ? shape.max_k : shape.NK) : (shape.max_q > 0 ? shape.max_q : shape.NQ);
  if constexpr (W == 64 || (W == 128 && !kForKeys && !kDrops)) {
    constexpr int kShared = BackwardMma<DeviceBlock<kMmaThreads>, W, 2, 32, kForKeys, kDrops>::kShared;
    if (longest > 64 && kShared <= shared_limit()) return launch_mma<W, 2, kForKeys, kDrops>(ctx, args);
  }
  launch_mma<W, 1, kForKeys, kDrops>(ctx, args);
}

template <bool kForKeys> void launch_pass(Ctx& ctx, const BackwardArgs<bf16>& args) {
  with_mma_width(args.shape.HD, args.shape.drop_below > 0,
                 [&](auto width, auto drops) { launch_width<width(), kForKeys, drops()>(ctx, args); });
}

}  // namespace

void launch_attention_backward(Ctx& ctx, const BackwardArgs<bf16>& args, bool for_keys) {
  for_keys ? launch_pass<true>(ctx, args) : launch_pass<false>(ctx, args);
}

}  // namespace lowland::cuda

#include "kernels/cuda/attention_cudnn.h"
#include "kernels/cuda/attention_forward_mma.h"
#include "kernels/cuda/attention_launch.cuh"
#include "kernels/cuda/device_mma.cuh"

namespace lowland::cuda {
namespace {

template <int W, int MT, bool kDrops>
__global__ void __launch_bounds__(kMmaThreads)
    attention_forward_mma_kernel(const __grid_constant__ ForwardArgs<bf16> args) {
  extern __shared__ __align__(16) uint8_t shared[];
  DeviceBlock<kMmaThreads> block;
  ForwardMma<DeviceBlock<kMmaThreads>, W, MT, kDrops>(block, args, shared).run();
}

template <int W, int MT, bool kDrops> void launch_mma(Ctx& ctx, ForwardArgs<bf16> args) {
  using Body = ForwardMma<DeviceBlock<kMmaThreads>, W, MT, kDrops>;
  const AttentionShape& shape = args.shape;
  args.tiles = tiles_of(shape.max_q, shape.NQ, Body::kQueries);
  const auto attention_forward_mma = attention_forward_mma_kernel<W, MT, kDrops>;
  allow_shared(attention_forward_mma, Body::kShared);
  LL_CUDA_LAUNCH(ctx, (shape.S + 1) * shape.NH * args.tiles, kMmaThreads, Body::kShared, attention_forward_mma, args);
}

// 128 queries to a block read each key half as often, where heads are wide and segments long enough and the device has
// the shared memory. A query's result is the same to the bit.
template <int W, bool kDrops> void launch_width(Ctx& ctx, const ForwardArgs<bf16>& args) {
  const int64_t longest = args.shape.max_q > 0 ? args.shape.max_q : args.shape.NQ;
  if constexpr (W > 32) {
    if (longest > 64 && ForwardMma<DeviceBlock<kMmaThreads>, W, 2, kDrops>::kShared <= shared_limit())
      return launch_mma<W, 2, kDrops>(ctx, args);
  }
  launch_mma<W, 1, kDrops>(ctx, args);
}

}  // namespace

void launch_attention_forward(Ctx& ctx, const ForwardArgs<bf16>& args) {
  if (cudnn_attention_forward(ctx, args)) return;
  set_attention_engine("lowland");
  with_mma_width(args.shape.HD, args.shape.drop_below > 0,
                 [&](auto width, auto drops) { launch_width<width(), drops()>(ctx, args); });
}

}  // namespace lowland::cuda

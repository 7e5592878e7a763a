#include "kernels/common/error.h"
#include "kernels/cuda/attention_forward_fma.h"
#include "kernels/cuda/attention_launch.cuh"

namespace lowland::cuda {
namespace {

template <class T, int W>
__global__ void __launch_bounds__(kFmaThreads)
    attention_forward_fma_kernel(const __grid_constant__ ForwardArgs<T> args) {
  extern __shared__ __align__(16) uint8_t shared[];
  DeviceBlock<kFmaThreads> block;
  ForwardFma<DeviceBlock<kFmaThreads>, T, W>(block, args, shared).run();
}

template <class T> void launch_fma(Ctx& ctx, ForwardArgs<T> args) {
  const AttentionShape& shape = args.shape;
  args.tiles = tiles_of(shape.max_q, shape.NQ, FmaTile<T, 32>::kRows);
  with_head_width<T>(shape.HD, [&](auto width) {
    constexpr int W = decltype(width)::value, kShared = ForwardFma<DeviceBlock<kFmaThreads>, T, W>::kShared;
    const auto attention_forward_fma = attention_forward_fma_kernel<T, W>;
    allow_shared(attention_forward_fma, kShared);
    LL_CUDA_LAUNCH(ctx, (shape.S + 1) * shape.NH * args.tiles, kFmaThreads, kShared, attention_forward_fma, args);
  });
}

}  // namespace

void launch_attention_forward(Ctx& ctx, const ForwardArgs<float>& args) { launch_fma(ctx, args); }
void launch_attention_forward(Ctx& ctx, const ForwardArgs<double>& args) { launch_fma(ctx, args); }

template <class T>
void attention_forward(Ctx& ctx, RowView<T> o, acc_t<T>* lse, const AttentionInputs<T>& in,
                       const AttentionShape& shape) {
  check_head_size(shape.HD);
  if (shape.soft_cap > 0) fail("[attention] capped scores (attn_logit_softcapping) are computed on the CPU only");
  launch_attention_forward(ctx, {o, lse, in, shape, 0, rows_vectorise(in, shape.HD) && rows_vectorise(o)});
}

LL_INSTANTIATE(attention_forward);

}  // namespace lowland::cuda

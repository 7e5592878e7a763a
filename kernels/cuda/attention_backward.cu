#include "kernels/cuda/attention_backward_fma.h"
#include "kernels/cuda/attention_backward_launch.cuh"

namespace lowland::cuda {
namespace {

constexpr int kDeltaThreads = 256;

template <class T>
__global__ void attention_delta_kernel(acc_t<T>* delta, RowView<const T> dout, RowView<const T> o,
                                       const __grid_constant__ AttentionShape shape, bool vectors) {
  DeviceBlock<kDeltaThreads> block;
  attention_delta<DeviceBlock<kDeltaThreads>, T>(block, delta, dout, o, shape, vectors);
}

template <class T, int W, bool kForKeys>
__global__ void __launch_bounds__(kFmaThreads)
    attention_backward_fma_kernel(const __grid_constant__ BackwardArgs<T> args) {
  extern __shared__ __align__(16) uint8_t shared[];
  DeviceBlock<kFmaThreads> block;
  BackwardFma<DeviceBlock<kFmaThreads>, T, W, kForKeys>(block, args, shared).run();
}

template <bool kForKeys, class T> void launch_fma(Ctx& ctx, BackwardArgs<T> args) {
  with_head_width<T>(args.shape.HD, [&](auto width) {
    constexpr int W = decltype(width)::value;
    using Body = BackwardFma<DeviceBlock<kFmaThreads>, T, W, kForKeys>;
    const auto attention_backward_fma = attention_backward_fma_kernel<T, W, kForKeys>;
    allow_shared(attention_backward_fma, Body::kShared);
    LL_CUDA_LAUNCH(ctx, backward_grid(args, kForKeys, Body::kOwn), kFmaThreads, Body::kShared, attention_backward_fma,
                   args);
  });
}

template <class T> void launch_fma(Ctx& ctx, const BackwardArgs<T>& args, bool for_keys) {
  for_keys ? launch_fma<true>(ctx, args) : launch_fma<false>(ctx, args);
}

}  // namespace

void launch_attention_backward(Ctx& ctx, const BackwardArgs<float>& args, bool for_keys) {
  launch_fma(ctx, args, for_keys);
}
void launch_attention_backward(Ctx& ctx, const BackwardArgs<double>& args, bool for_keys) {
  launch_fma(ctx, args, for_keys);
}

template <class T>
void attention_backward(Ctx& ctx, const AttentionGradients<T>& grads, RowView<const T> dout, RowView<const T> o,
                        const acc_t<T>* lse, const AttentionInputs<T>& in, const AttentionShape& shape) {
  check_head_size(shape.HD);
  const bool vectors = rows_vectorise(in, shape.HD) && rows_vectorise(dout) && rows_vectorise(o) &&
                       rows_vectorise(grads.dq) && rows_vectorise(grads.dk) && rows_vectorise(grads.dv);
  if constexpr (sizeof(T) == 2) {
    if (cudnn_attention_backward(ctx, {grads, dout, lse, nullptr, in, shape, 0, vectors}, o)) return;
    set_attention_engine("lowland");
  }
  Scratch scratch(ctx);
  const int64_t count = shape.NQ * shape.NH;
  acc_t<T>* delta = scratch.array<acc_t<T>>(count);
  const auto attention_delta = attention_delta_kernel<T>;
  LL_CUDA_LAUNCH(ctx, blocks_for(count, kDeltaThreads / 8), kDeltaThreads, 0, attention_delta, delta, dout, o, shape,
                 vectors);
  const BackwardArgs<T> args{grads, dout, lse, delta, in, shape, 0, vectors};
  if (grads.dk.data != nullptr) launch_attention_backward(ctx, args, true);
  if (grads.dq.data != nullptr) launch_attention_backward(ctx, args, false);
}

LL_INSTANTIATE(attention_backward);

}  // namespace lowland::cuda

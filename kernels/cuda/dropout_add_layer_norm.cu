#include "kernels/dropout_add_layer_norm.h"

#include "kernels/cuda/dropout_add_layer_norm_block.h"
#include "kernels/cuda/rows.cuh"

namespace lowland::cuda {
namespace {

template <bool kDrops, class Plan>
__global__ void __launch_bounds__(Plan::kThreads)
    dropout_add_layer_norm_forward_kernel(Plan, DropoutAddLayerNormForward<typename Plan::Element> a,
                                          Drops<typename Plan::A> drops) {
  DeviceBlock<Plan::kThreads> b;
  dropout_add_layer_norm_forward_rows<Plan, kDrops>(b, a, drops);
}

template <bool kSums, bool kDrops, class Plan>
__global__ void __launch_bounds__(Plan::kThreads)
    dropout_add_layer_norm_backward_kernel(Plan, DropoutAddLayerNormBackward<typename Plan::Element> a,
                                           Drops<typename Plan::A> drops, PartialSums<typename Plan::A> to) {
  DeviceBlock<Plan::kThreads> b;
  dropout_add_layer_norm_backward_rows<Plan, kSums, kDrops>(b, shared_numbers<typename Plan::A>(), a, drops, to);
}

template <bool kDrops, class T> void launch_backward(Ctx& ctx, const DropoutAddLayerNormBackward<T>& a) {
  using A = acc_t<T>;
  const Drops<A> drops = drops_of<A>(a.rows);
  with_row_plan<T>(a.C, all_vectorise(a.C, a.dz, a.dx, a.dy, a.h, a.w), [&](auto plan) {
    using Plan = decltype(plan);
    if (a.dw != nullptr || a.db != nullptr) {
      const auto first_pass = [&](int64_t blocks, size_t shared, const PartialSums<A>& to) {
        const auto kernel = dropout_add_layer_norm_backward_kernel<true, kDrops, Plan>;
        LL_CUDA_LAUNCH(ctx, blocks, Plan::kThreads, shared, kernel, plan, a, drops, to);
      };
      sum_over_rows<Plan>(ctx, {a.dw, a.db}, a.N, a.C, first_pass);
    } else if (a.dz != nullptr || a.dx != nullptr) {
      const int64_t blocks = blocks_for(a.N, Plan::kRows);
      const PartialSums<A> none{nullptr, Plan::kRows};
      const auto kernel = dropout_add_layer_norm_backward_kernel<false, kDrops, Plan>;
      LL_CUDA_LAUNCH(ctx, blocks, Plan::kThreads, 0, kernel, plan, a, drops, none);
    }
  });
}

}  // namespace

template <class T> void dropout_add_layer_norm_forward(Ctx& ctx, const DropoutAddLayerNormForward<T>& a) {
  check_row_length("dropout_add_layer_norm", a.C);
  const auto drops = drops_of<acc_t<T>>(a.rows);
  with_row_plan<T>(a.C, all_vectorise(a.C, a.y, a.h, a.x, a.residual, a.w, a.b), [&](auto plan) {
    using Plan = decltype(plan);
    const int64_t blocks = blocks_for(a.N, Plan::kRows);
    const auto kernel = a.rows.p > 0 ? dropout_add_layer_norm_forward_kernel<true, Plan>
                                     : dropout_add_layer_norm_forward_kernel<false, Plan>;
    LL_CUDA_LAUNCH(ctx, blocks, Plan::kThreads, 0, kernel, plan, a, drops);
  });
}

template <class T> void dropout_add_layer_norm_backward(Ctx& ctx, const DropoutAddLayerNormBackward<T>& a) {
  check_row_length("dropout_add_layer_norm", a.C);
  if (a.rows.p > 0 && a.dx != nullptr) {
    launch_backward<true>(ctx, a);
  } else {
    launch_backward<false>(ctx, a);
  }
}

LL_INSTANTIATE(dropout_add_layer_norm_forward);
LL_INSTANTIATE(dropout_add_layer_norm_backward);

}  // namespace lowland::cuda

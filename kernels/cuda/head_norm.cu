#include "kernels/head_norm.h"

#include "kernels/cuda/head_norm_block.h"
#include "kernels/cuda/rows.cuh"

namespace lowland::cuda {
namespace {

template <class Plan>
__global__ void __launch_bounds__(Plan::kThreads)
    head_norm_forward_kernel(Plan, HeadNormForward<typename Plan::Element> a) {
  DeviceBlock<Plan::kThreads> b;
  head_norm_forward_heads<Plan>(b, a);
}

template <bool kSums, class Plan>
__global__ void __launch_bounds__(Plan::kThreads)
    head_norm_backward_kernel(Plan, HeadNormBackward<typename Plan::Element> a, PartialSums<typename Plan::A> to) {
  DeviceBlock<Plan::kThreads> b;
  head_norm_backward_heads<Plan, kSums>(b, shared_numbers<typename Plan::A>(), a, to);
}

// A plan for heads that all begin where 16 bytes do, or for any.
template <class T, class F, class... P> void with_head_plan(const HeadNormShape& s, const F& fn, const P*... arrays) {
  check_row_length("head_norm", s.HD);
  with_row_plan<T>(s.HD, all_vectorise(s.HD, arrays...) && s.stride % kVector<T> == 0, fn);
}

}  // namespace

template <class T>
void head_norm_forward(Ctx& ctx, T* y, acc_t<T>* rstd, const T* x, const HeadNormWeights<T>& w,
                       const HeadNormShape& shape) {
  const HeadNormForward<T> args{y, rstd, x, w, shape};
  with_head_plan<T>(
      shape,
      [&](auto plan) {
        const int64_t blocks = blocks_for(shape.N * (shape.QH + shape.KH), plan.kRows);
        LL_CUDA_LAUNCH(ctx, blocks, plan.kThreads, 0, head_norm_forward_kernel, plan, args);
      },
      y, x, w.q, w.k);
}

template <class T>
void head_norm_backward(Ctx& ctx, T* dx, const HeadNormSums<acc_t<T>>& dw, const T* dy, const T* x,
                        const HeadNormWeights<T>& w, const acc_t<T>* rstd, const HeadNormShape& shape) {
  const HeadNormBackward<T> args{dx, dy, x, w, rstd, shape};
  const int64_t all = shape.N * (shape.QH + shape.KH);
  with_head_plan<T>(
      shape,
      [&](auto plan) {
        using Plan = decltype(plan);
        if (dw.q != nullptr || dw.k != nullptr) {
          const auto first_pass = [&](int64_t blocks, size_t shared, const PartialSums<acc_t<T>>& to) {
            LL_CUDA_LAUNCH(ctx, blocks, Plan::kThreads, shared, head_norm_backward_kernel<true>, plan, args, to);
          };
          sum_over_rows<Plan>(ctx, {dw.q, dw.k}, all, shape.HD, first_pass);
        } else if (dx != nullptr) {
          const int64_t blocks = blocks_for(all, Plan::kRows);
          const PartialSums<acc_t<T>> none{nullptr, Plan::kRows};
          LL_CUDA_LAUNCH(ctx, blocks, Plan::kThreads, 0, head_norm_backward_kernel<false>, plan, args, none);
        }
      },
      dx, dy, x, w.q, w.k);
}

LL_INSTANTIATE(head_norm_forward);
LL_INSTANTIATE(head_norm_backward);

}  // namespace lowland::cuda

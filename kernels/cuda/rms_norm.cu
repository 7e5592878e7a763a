#include "kernels/rms_norm.h"

#include "kernels/cuda/rms_norm_block.h"
#include "kernels/cuda/rows.cuh"

namespace lowland::cuda {
namespace {

template <class Plan>
__global__ void __launch_bounds__(Plan::kThreads)
    rms_norm_forward_kernel(Plan, RmsNormForward<typename Plan::Element> a) {
  DeviceBlock<Plan::kThreads> b;
  rms_norm_forward_rows<Plan>(b, a);
}

template <bool kSums, class Plan>
__global__ void __launch_bounds__(Plan::kThreads)
    rms_norm_backward_kernel(Plan, RmsNormBackward<typename Plan::Element> a, PartialSums<typename Plan::A> to) {
  DeviceBlock<Plan::kThreads> b;
  rms_norm_backward_rows<Plan, kSums>(b, shared_numbers<typename Plan::A>(), a, to);
}

}  // namespace

template <class T>
void rms_norm_forward(Ctx& ctx, T* y, acc_t<T>* rstd, const T* x, const T* w, int64_t N, int64_t C, float eps) {
  check_row_length("rms_norm", C);
  with_row_plan<T>(C, all_vectorise(C, y, x, w), [&](auto plan) {
    const int64_t blocks = blocks_for(N, plan.kRows);
    const RmsNormForward<T> args{y, rstd, x, w, N, C, static_cast<acc_t<T>>(eps)};
    LL_CUDA_LAUNCH(ctx, blocks, plan.kThreads, 0, rms_norm_forward_kernel, plan, args);
  });
}

template <class T>
void rms_norm_backward(Ctx& ctx, T* dx, acc_t<T>* dw, const T* dy, const T* x, const T* w, const acc_t<T>* rstd,
                       int64_t N, int64_t C) {
  check_row_length("rms_norm", C);
  const RmsNormBackward<T> args{dx, dw, dy, x, w, rstd, N, C};
  with_row_plan<T>(C, all_vectorise(C, dx, dy, x, w), [&](auto plan) {
    using Plan = decltype(plan);
    if (dw != nullptr) {
      const auto first_pass = [&](int64_t blocks, size_t shared, const PartialSums<acc_t<T>>& to) {
        LL_CUDA_LAUNCH(ctx, blocks, Plan::kThreads, shared, rms_norm_backward_kernel<true>, plan, args, to);
      };
      sum_over_rows<Plan>(ctx, {dw}, N, C, first_pass);
    } else if (dx != nullptr) {
      const int64_t blocks = blocks_for(N, Plan::kRows);
      const PartialSums<acc_t<T>> none{nullptr, Plan::kRows};
      LL_CUDA_LAUNCH(ctx, blocks, Plan::kThreads, 0, rms_norm_backward_kernel<false>, plan, args, none);
    }
  });
}

LL_INSTANTIATE(rms_norm_forward);
LL_INSTANTIATE(rms_norm_backward);

}  // namespace lowland::cuda

#include "kernels/add_rms_norm.h"

#include "kernels/cuda/add_rms_norm_block.h"
#include "kernels/cuda/rows.cuh"

namespace lowland::cuda {
namespace {

template <class Plan>
__global__ void __launch_bounds__(Plan::kThreads)
    add_rms_norm_forward_kernel(Plan, AddRmsNormForward<typename Plan::Element> a) {
  DeviceBlock<Plan::kThreads> b;
  add_rms_norm_forward_rows<Plan>(b, a);
}

template <bool kSums, class Plan>
__global__ void __launch_bounds__(Plan::kThreads)
    add_rms_norm_backward_kernel(Plan, AddRmsNormBackward<typename Plan::Element> a, PartialSums<typename Plan::A> to) {
  DeviceBlock<Plan::kThreads> b;
  add_rms_norm_backward_rows<Plan, kSums>(b, shared_numbers<typename Plan::A>(), a, to);
}

}  // namespace

template <class T> void add_rms_norm_forward(Ctx& ctx, const AddRmsNormForward<T>& a) {
  check_row_length("add_rms_norm", a.C);
  with_row_plan<T>(a.C, all_vectorise(a.C, a.z, a.y, a.x, a.residual, a.w), [&](auto plan) {
    LL_CUDA_LAUNCH(ctx, blocks_for(a.N, plan.kRows), plan.kThreads, 0, add_rms_norm_forward_kernel, plan, a);
  });
}

template <class T> void add_rms_norm_backward(Ctx& ctx, const AddRmsNormBackward<T>& a) {
  check_row_length("add_rms_norm", a.C);
  with_row_plan<T>(a.C, all_vectorise(a.C, a.dz, a.dy, a.z, a.w), [&](auto plan) {
    using Plan = decltype(plan);
    if (a.dw != nullptr) {
      const auto first_pass = [&](int64_t blocks, size_t shared, const PartialSums<acc_t<T>>& to) {
        LL_CUDA_LAUNCH(ctx, blocks, Plan::kThreads, shared, add_rms_norm_backward_kernel<true>, plan, a, to);
      };
      sum_over_rows<Plan>(ctx, {a.dw}, a.N, a.C, first_pass);
    } else if (a.dz != nullptr) {
      const int64_t blocks = blocks_for(a.N, Plan::kRows);
      const PartialSums<acc_t<T>> none{nullptr, Plan::kRows};
      LL_CUDA_LAUNCH(ctx, blocks, Plan::kThreads, 0, add_rms_norm_backward_kernel<false>, plan, a, none);
    }
  });
}

LL_INSTANTIATE(add_rms_norm_forward);
LL_INSTANTIATE(add_rms_norm_backward);

}  // namespace lowland::cuda

// add_rms_norm: the rows of one block (contract: kernels/add_rms_norm.h), those of rms_norm with the sum before them.
#pragma once
#include "kernels/add_rms_norm.h"
#include "kernels/cuda/rms_norm_block.h"

namespace lowland::cuda {

template <class Plan, class Block>
LL_HD void add_rms_norm_forward_rows(Block& b, const AddRmsNormForward<typename Plan::Element>& a) {
  using T = typename Plan::Element;
  const RmsNormForward<T> norm{a.y, a.rstd, a.z, a.w, a.N, a.C, static_cast<acc_t<T>>(a.eps)};
  rms_norm_forward_rows<Plan>(b, norm, [&](Piece<Plan>& z, int64_t n, int t) {
    load_sum<Plan>(z, a.z + n * a.C, a.x + n * a.C, a.residual + n * a.C, t, a.C);
  });
}

template <class Plan, bool kSums, class Block>
LL_HD void add_rms_norm_backward_rows(Block& b, typename Plan::A* shared,
                                      const AddRmsNormBackward<typename Plan::Element>& a,
                                      const PartialSums<typename Plan::A>& to) {
  const RmsNormBackward<typename Plan::Element> norm{a.dz, a.dw, a.dy, a.z, a.w, a.rstd, a.N, a.C, a.adds};
  rms_norm_backward_rows<Plan, kSums>(b, shared, norm, to);
}

}  // namespace lowland::cuda

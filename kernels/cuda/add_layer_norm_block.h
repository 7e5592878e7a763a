// add_layer_norm: the rows of one block (contract: kernels/add_layer_norm.h), those of layer_norm with the sum before
// them.
#pragma once
#include "kernels/add_layer_norm.h"
#include "kernels/cuda/layer_norm_block.h"

namespace lowland::cuda {

template <class Plan, class Block>
LL_HD void add_layer_norm_forward_rows(Block& b, const AddLayerNormForward<typename Plan::Element>& a) {
  const LayerNormForward<typename Plan::Element> norm{a.y, a.mean, a.rstd, a.z, a.w, a.b, a.N, a.C, a.eps};
  layer_norm_forward_rows<Plan>(b, norm, [&](Piece<Plan>& z, int64_t n, int t) {
    load_sum<Plan>(z, a.z + n * a.C, a.x + n * a.C, a.residual + n * a.C, t, a.C);
  });
}

template <class Plan, bool kSums, class Block>
LL_HD void add_layer_norm_backward_rows(Block& b, typename Plan::A* shared,
                                        const AddLayerNormBackward<typename Plan::Element>& a,
                                        const PartialSums<typename Plan::A>& to) {
  const LayerNormBackward<typename Plan::Element> norm{a.dz, a.dw, a.db, a.dy, a.z, a.w, a.mean, a.rstd, a.N, a.C};
  layer_norm_backward_rows<Plan, kSums>(b, shared, norm, to, a.adds);
}

}  // namespace lowland::cuda

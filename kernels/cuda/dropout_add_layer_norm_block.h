// dropout_add_layer_norm: the rows of one block (contract: kernels/dropout_add_layer_norm.h). z is not rounded between
// the sum and the norm.
#pragma once
#include "kernels/cuda/dropout_block.h"
#include "kernels/cuda/layer_norm_block.h"
#include "kernels/dropout_add_layer_norm.h"

namespace lowland::cuda {

// kDrops: p > 0.
template <class Plan, bool kDrops, class Block>
LL_HD void dropout_add_layer_norm_forward_rows(Block& b, const DropoutAddLayerNormForward<typename Plan::Element>& a,
                                               const Drops<typename Plan::A>& drops) {
  using A = typename Plan::A;
  const int64_t first = b.index() * Plan::kRows;
  PerThread<Block, Numbers<Plan>> z;
  PerThread<Block, A> mean, rstd;
  b.each([&](int t) {
    const int64_t n = first + t / Plan::kLanes;
    if (n >= a.N) return;
    Piece<Plan> x, residual;
    load_row<Plan>(x, a.x + n * a.C, t, a.C);
    load_row<Plan>(residual, a.residual + n * a.C, t, a.C);
    PhiloxKey key;
    int32_t example = 0, position = 0;
    if constexpr (kDrops) {
      key = key_of(drops.draws);
      example = drops.example[n];
      position = drops.position[n];
    }
    each_part<Plan>(t, a.C, [&](int i, int c) {
      if constexpr (kDrops) {
        const ChunkDraws<Plan::W> draws(key, example, position, c);
        LL_UNROLL
        for (int j = 0; j < Plan::W; ++j)
          z[t].v[i * Plan::W + j] =
              residual.part[i][j] + x.part[i][j] * (draws[j] >= drops.threshold ? drops.scale : A(0));
      } else {
        LL_UNROLL
        for (int j = 0; j < Plan::W; ++j) z[t].v[i * Plan::W + j] = residual.part[i][j] + x.part[i][j];
      }
    });
  });
  row_moments<Plan>(b, mean, rstd, a.N - first, a.C, static_cast<A>(a.eps),
                    [&](int t, int i, int j) { return z[t].v[i * Plan::W + j]; });
  b.each([&](int t) {
    const int64_t n = first + t / Plan::kLanes;
    if (n >= a.N) return;
    const A m = mean[t], r = rstd[t];
    if (a.rstd != nullptr && t % Plan::kLanes == 0) a.rstd[n] = r;
    each_part<Plan>(t, a.C, [&](int i, int c) {
      const auto w = load_chunk<Plan::W>(a.w + c), bias = load_chunk<Plan::W>(a.b + c);
      const auto normal = [&](int j) { return (z[t].v[i * Plan::W + j] - m) * r; };
      if (a.h != nullptr) store_each<Plan::W>(a.h + n * a.C + c, normal);
      store_each<Plan::W>(a.y + n * a.C + c, [&](int j) { return w[j] * normal(j) + bias[j]; });
    });
  });
}

// kDrops: p > 0 and dx is wanted; otherwise dx, if wanted, is dz.
template <class Plan, bool kSums, bool kDrops, class Block>
LL_HD void dropout_add_layer_norm_backward_rows(Block& b, typename Plan::A* shared,
                                                const DropoutAddLayerNormBackward<typename Plan::Element>& a,
                                                const Drops<typename Plan::A>& drops,
                                                const PartialSums<typename Plan::A>& to) {
  using A = typename Plan::A;
  constexpr int W = Plan::W;
  const auto normal = [](int64_t) { return [](A h) { return h; }; };
  const auto write = [&](int64_t n, int c, const auto& dz) {
    const int64_t at = n * a.C + c;
    A kept[W];
    LL_UNROLL
    for (int j = 0; j < W; ++j) kept[j] = dz(j);
    if (a.dz != nullptr) store_each<W>(a.dz + at, [&](int j) { return kept[j]; });
    if (a.dx == nullptr) return;
    if constexpr (kDrops) {
      const ChunkDraws<W> draws(key_of(drops.draws), drops.example[n], drops.position[n], c);
      LL_UNROLL
      for (int j = 0; j < W; ++j) kept[j] *= draws[j] >= drops.threshold ? drops.scale : A(0);
    }
    store_each<W>(a.dx + at, [&](int j) { return kept[j]; });
  };
  norm_backward_rows<Plan, kSums>(b, shared, {a.dy, a.h, a.w, a.rstd, a.N, a.C}, to, a.dz != nullptr || a.dx != nullptr,
                                  normal, write);
}

}  // namespace lowland::cuda

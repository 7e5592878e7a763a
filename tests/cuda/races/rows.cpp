#include "kernels/cuda/add_layer_norm_block.h"
#include "kernels/cuda/add_rms_norm_block.h"
#include "kernels/cuda/cross_entropy_block.h"
#include "kernels/cuda/dropout_add_layer_norm_block.h"
#include "kernels/cuda/embedding_block.h"
#include "kernels/cuda/gather_rows_block.h"
#include "kernels/cuda/head_norm_block.h"
#include "kernels/cuda/lora_linear_block.h"
#include "kernels/cuda/mse_block.h"
#include "kernels/cuda/rope_block.h"
#include "tests/cuda/races/race_run.h"

namespace lowland::test {
namespace {

using namespace lowland::cuda;

// A warp to a row and four rows a block, or the whole block to a row.
using WarpRows = RowPlan<float, 4, 2, kWarp>;
using BlockRows = RowPlan<float, 1, 2, 64>;
constexpr int64_t kN = 10, kC = 100, kRowsOfBlock = 8;

template <class Plan> void layer_norm(Run& run) {
  LayerNormForward<float> a{};
  a.N = kN, a.C = kC, a.eps = 1e-5;
  a.x = run.numbers<float>(kN * kC);
  a.w = run.numbers<float>(kC), a.b = run.numbers<float>(kC);
  a.y = run.results<float>(kN * kC);
  a.mean = run.results<float>(kN), a.rstd = run.results<float>(kN);
  run.blocks<Plan::kThreads>(2, 0, [&](auto& b, void*) { layer_norm_forward_rows<Plan>(b, a); });
}

template <class Plan> void layer_norm_back(Run& run) {
  LayerNormBackward<float> a{};
  a.N = kN, a.C = kC;
  a.x = run.numbers<float>(kN * kC), a.dy = run.numbers<float>(kN * kC), a.w = run.numbers<float>(kC);
  a.mean = run.numbers<float>(kN), a.rstd = run.numbers<float>(kN);
  a.dx = run.results<float>(kN * kC);
  const PartialSums<float> to{run.results<float>(2 * 2 * kC), kRowsOfBlock};
  run.blocks<Plan::kThreads>(2, 2 * kC * sizeof(float), [&](auto& b, void* shared) {
    layer_norm_backward_rows<Plan, true>(b, static_cast<float*>(shared), a, to);
  });
}

template <class Plan> void rms_norm(Run& run) {
  const float *x = run.numbers<float>(kN * kC), *w = run.numbers<float>(kC);
  float* y = run.results<float>(kN * kC);
  const RmsNormForward<float> a{y, run.results<float>(kN), x, w, kN, kC, 1e-5f};
  run.blocks<Plan::kThreads>(2, 0, [&](auto& b, void*) { rms_norm_forward_rows<Plan>(b, a); });
}

template <class Plan> void rms_norm_back(Run& run) {
  const float *x = run.numbers<float>(kN * kC), *dy = run.numbers<float>(kN * kC), *w = run.numbers<float>(kC);
  const RmsNormBackward<float> a{run.results<float>(kN * kC), nullptr, dy, x, w, run.numbers<float>(kN), kN, kC};
  const PartialSums<float> to{run.results<float>(2 * kC), kRowsOfBlock};
  run.blocks<Plan::kThreads>(2, kC * sizeof(float), [&](auto& b, void* shared) {
    rms_norm_backward_rows<Plan, true>(b, static_cast<float*>(shared), a, to);
  });
}

constexpr HeadNormShape kHeads{.N = 2, .stride = 5 * kC, .HD = kC, .QH = 3, .KH = 2, .eps = 1e-5f, .offset = 1};

template <class Plan> void head_norm(Run& run) {
  const float *x = run.numbers<float>(kN * kC), *w = run.numbers<float>(kC);
  const HeadNormForward<float> a{run.results<float>(kN * kC), run.results<float>(kN), x, {w, w}, kHeads};
  run.blocks<Plan::kThreads>(2, 0, [&](auto& b, void*) { head_norm_forward_heads<Plan>(b, a); });
}

template <class Plan> void head_norm_back(Run& run) {
  const float *x = run.numbers<float>(kN * kC), *dy = run.numbers<float>(kN * kC), *w = run.numbers<float>(kC);
  const HeadNormBackward<float> a{run.results<float>(kN * kC), dy, x, {w, w}, run.numbers<float>(kN), kHeads};
  const PartialSums<float> to{run.results<float>(2 * 2 * kC), kRowsOfBlock};
  run.blocks<Plan::kThreads>(2, 2 * kC * sizeof(float), [&](auto& b, void* shared) {
    head_norm_backward_heads<Plan, true>(b, static_cast<float*>(shared), a, to);
  });
}

template <class Plan> void add_layer_norm(Run& run) {
  AddLayerNormForward<float> a{};
  a.N = kN, a.C = kC, a.eps = 1e-5;
  a.x = run.numbers<float>(kN * kC), a.residual = run.numbers<float>(kN * kC);
  a.w = run.numbers<float>(kC), a.b = run.numbers<float>(kC);
  a.z = run.results<float>(kN * kC), a.y = run.results<float>(kN * kC);
  run.blocks<Plan::kThreads>(2, 0, [&](auto& b, void*) { add_layer_norm_forward_rows<Plan>(b, a); });
}

template <class Plan> void add_rms_norm_back(Run& run) {
  AddRmsNormBackward<float> a{};
  a.N = kN, a.C = kC, a.adds = true;
  a.z = run.numbers<float>(kN * kC), a.dy = run.numbers<float>(kN * kC), a.w = run.numbers<float>(kC);
  a.rstd = run.numbers<float>(kN);
  a.dz = run.numbers<float>(kN * kC);
  const PartialSums<float> to{run.results<float>(2 * kC), kRowsOfBlock};
  run.blocks<Plan::kThreads>(2, kC * sizeof(float), [&](auto& b, void* shared) {
    add_rms_norm_backward_rows<Plan, true>(b, static_cast<float*>(shared), a, to);
  });
}

DropoutRows draws(Run& run) {
  DropoutRows rows;
  rows.p = 0.25;
  rows.draws.key = philox_key(1, 2, 3);
  rows.example = run.given(std::vector<int32_t>(32, 4));
  rows.position = run.given(std::vector<int32_t>(32, 7));
  return rows;
}

template <class Plan> void dropout_add_layer_norm(Run& run) {
  DropoutAddLayerNormForward<float> a{};
  a.N = kN, a.C = kC, a.eps = 1e-5, a.rows = draws(run);
  a.x = run.numbers<float>(kN * kC), a.residual = run.numbers<float>(kN * kC);
  a.w = run.numbers<float>(kC), a.b = run.numbers<float>(kC);
  a.y = run.results<float>(kN * kC), a.h = run.results<float>(kN * kC), a.rstd = run.results<float>(kN);
  const auto drops = drops_of<float>(a.rows);
  run.blocks<Plan::kThreads>(2, 0,
                             [&](auto& b, void*) { dropout_add_layer_norm_forward_rows<Plan, true>(b, a, drops); });
}

template <class Plan> void dropout_add_layer_norm_back(Run& run) {
  DropoutAddLayerNormBackward<float> a{};
  a.N = kN, a.C = kC, a.rows = draws(run);
  a.dy = run.numbers<float>(kN * kC), a.h = run.numbers<float>(kN * kC), a.w = run.numbers<float>(kC);
  a.rstd = run.numbers<float>(kN);
  a.dz = run.results<float>(kN * kC), a.dx = run.results<float>(kN * kC);
  const auto drops = drops_of<float>(a.rows);
  const PartialSums<float> to{run.results<float>(2 * 2 * kC), kRowsOfBlock};
  run.blocks<Plan::kThreads>(2, 2 * kC * sizeof(float), [&](auto& b, void* shared) {
    dropout_add_layer_norm_backward_rows<Plan, true, true>(b, static_cast<float*>(shared), a, drops, to);
  });
}

void column_sums(Run& run) {
  const float* x = run.numbers<float>(70 * 140);
  const PartialSums<float> to{run.results<float>(2 * 140), 64};
  run.blocks<kSumThreads>(2, kSumGroups * kSumColumns<4> * sizeof(float), [&](auto& b, void* shared) {
    sum_columns<4>(b, static_cast<float*>(shared), to, x, 70, 140);
  });
}

void partial_sums(Run& run) {
  const AddPartial<float, 1> a{{run.numbers<float>(30)}, run.numbers<float>(50 * 30), 50, 30};
  run.blocks<kAddThreads>(1, kAddThreads * sizeof(float),
                          [&](auto& b, void* shared) { add_partial(b, static_cast<float*>(shared), a); });
}

void cross_entropy(Run& run) {
  CrossEntropyForward<float> a{};
  a.shape = {3, 601, -100, 0.1, 1};
  a.x = run.numbers<float>(3 * 601);
  a.target = run.given<int32_t>({5, -100, 600});
  a.lse = run.results<float>(3), a.row_loss = run.results<double>(3);
  run.blocks<64>(3, 0, [&](auto& b, void*) { cross_entropy_forward_row(b, a); });
  float* loss = run.results<float>(1);
  run.blocks<64>(1, 0, [&](auto& b, void*) { cross_entropy_loss(b, loss, a.row_loss, 3, 1.0); });
}

void mse(Run& run) {
  const float *x = run.numbers<float>(200), *target = run.numbers<float>(200);
  float* loss = run.results<float>(1);
  run.blocks<64>(1, 0, [&](auto& b, void*) { mse_loss(b, loss, x, target, 200, 1.0); });
}

void embedding_back(Run& run) {
  const EmbeddingBackward<float> a{run.numbers<float>(3 * 40),
                                   run.numbers<float>(30 * 40),
                                   run.given(std::vector<int32_t>(30, 2)),
                                   run.given(std::vector<int32_t>(30, 1)),
                                   30,
                                   40};
  run.blocks<kSumThreads>(1, kSumGroups * kSumColumns<4> * sizeof(float),
                          [&](auto& b, void* shared) { embedding_backward_run<4>(b, static_cast<float*>(shared), a); });
}

void gather_back(Run& run) {
  const GatherRowsBackward<float> a{run.numbers<float>(5 * 40), run.numbers<float>(4 * 40),
                                    run.given<int32_t>({3, 1, 3, 3}), 4, 40};
  run.blocks<64>(4, 0, [&](auto& b, void*) { gather_rows_backward_row<4>(b, a); });
}

void rope(Run& run) {
  const RopeShape shape{7, 100, 5, 16};
  std::vector<int32_t> positions;
  for (int32_t n = 0; n < 7; ++n) positions.push_back(3 * n);
  RopeRows<float> a{run.numbers<float>(7 * 100), run.given(positions), run.numbers<float>(8), shape, 4, 1};
  run.blocks<kRopeThreads>(2, rope_shared_bytes<float>(shape, 4),
                           [&](auto& b, void* shared) { rope_rows<4>(b, static_cast<float*>(shared), a); });
}

constexpr int64_t kLoraN = 20, kLoraM = 200, kLoraRanks16 = 12;

void lora_down(Run& run) {
  const float *x = run.numbers<float>(kLoraN * kLoraM), *a = run.numbers<float>(kLoraRanks16 * kLoraM);
  const LoraDown<float> in{x, a, drops_of<float>(draws(run)), kLoraN, kLoraM, kLoraRanks16};
  float* xa = run.results<float>(kLoraN * kLoraRanks16);
  run.blocks<kLoraThreads>(2, kLoraShared<16> * sizeof(float), [&](auto& b, void* shared) {
    lora_down_forward_rows<4, 16>(b, static_cast<float*>(shared), xa, in, 0);
  });
}

void lora_down_back(Run& run) {
  const float *x = run.numbers<float>(kLoraN * kLoraM), *a = run.numbers<float>(kLoraRanks16 * kLoraM);
  const LoraDown<float> in{x, a, drops_of<float>(draws(run)), kLoraN, kLoraM, kLoraRanks16};
  const LoraBack<float> out{run.numbers<float>(kLoraN * kLoraM), run.results<float>(kLoraRanks16 * kLoraM),
                            run.numbers<float>(kLoraN * kLoraRanks16), 32, true};
  run.blocks<kLoraThreads>(2, kLoraShared<16> * sizeof(float), [&](auto& b, void* shared) {
    lora_down_backward_tile<4, 16>(b, static_cast<float*>(shared), out, in, 0);
  });
}

}  // namespace

std::vector<RaceCase> row_cases() {
  return {{"layer_norm forward, warps", layer_norm<WarpRows>},
          {"layer_norm forward, block", layer_norm<BlockRows>},
          {"layer_norm backward, warps", layer_norm_back<WarpRows>},
          {"layer_norm backward, block", layer_norm_back<BlockRows>},
          {"rms_norm forward, warps", rms_norm<WarpRows>},
          {"rms_norm forward, block", rms_norm<BlockRows>},
          {"rms_norm backward, warps", rms_norm_back<WarpRows>},
          {"rms_norm backward, block", rms_norm_back<BlockRows>},
          {"head_norm forward, warps", head_norm<WarpRows>},
          {"head_norm forward, block", head_norm<BlockRows>},
          {"head_norm backward, warps", head_norm_back<WarpRows>},
          {"head_norm backward, block", head_norm_back<BlockRows>},
          {"add_layer_norm forward, warps", add_layer_norm<WarpRows>},
          {"add_layer_norm forward, block", add_layer_norm<BlockRows>},
          {"add_rms_norm backward, warps", add_rms_norm_back<WarpRows>},
          {"add_rms_norm backward, block", add_rms_norm_back<BlockRows>},
          {"dropout_add_layer_norm forward, warps", dropout_add_layer_norm<WarpRows>},
          {"dropout_add_layer_norm forward, block", dropout_add_layer_norm<BlockRows>},
          {"dropout_add_layer_norm backward, warps", dropout_add_layer_norm_back<WarpRows>},
          {"dropout_add_layer_norm backward, block", dropout_add_layer_norm_back<BlockRows>},
          {"sum_columns", column_sums},
          {"add_partial", partial_sums},
          {"cross_entropy forward", cross_entropy},
          {"mse forward", mse},
          {"embedding backward", embedding_back},
          {"gather_rows backward", gather_back},
          {"rope", rope},
          {"lora_linear down forward", lora_down},
          {"lora_linear down backward", lora_down_back}};
}

}  // namespace lowland::test

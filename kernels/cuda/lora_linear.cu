#include "kernels/lora_linear.h"

#include <algorithm>

#include "kernels/cuda/lora_linear_block.h"
#include "kernels/cuda/rows.cuh"
#include "kernels/matmul.h"

namespace lowland::cuda {
namespace {

template <int W, int KT, class T>
__global__ void __launch_bounds__(kLoraThreads) lora_down_forward_kernel(T* xa, LoraDown<T> in, int64_t k0) {
  __shared__ alignas(32) acc_t<T> shared[kLoraShared<KT>];
  DeviceBlock<kLoraThreads> b;
  lora_down_forward_rows<W, KT>(b, shared, xa, in, k0);
}

template <int W, int KT, class T>
__global__ void __launch_bounds__(kLoraThreads) lora_down_backward_kernel(LoraBack<T> out, LoraDown<T> in, int64_t k0) {
  __shared__ alignas(32) acc_t<T> shared[kLoraShared<KT>];
  DeviceBlock<kLoraThreads> b;
  lora_down_backward_tile<W, KT>(b, shared, out, in, k0);
}

template <int W, int KT> struct Tiles { static constexpr int kWidth = W, kRanks = KT; };

// fn(tiles, k0) for each run of ranks that a launch takes: one for all models in sight.
template <class T, class F> void over_ranks(int64_t KR, bool wide, const F& fn) {
  constexpr int V = kVector<T>, kMost = kLoraRanks<T>;
  for (int64_t k0 = 0; k0 < KR;) {
    if (!wide) {
      fn(Tiles<1, 16>{}, k0);
      k0 += 16;
    } else if (KR - k0 <= 16) {
      fn(Tiles<V, 16>{}, k0);
      k0 += 16;
    } else {
      fn(Tiles<V, kMost>{}, k0);
      k0 += kMost;
    }
  }
}

template <class T> LoraDown<T> down_of(const T* x, const T* a, const LoraInput& in) {
  return {x, a, drops_of<acc_t<T>>(in.dropout), in.N, in.M, in.KR};
}

// Rows of a run of the backward: enough blocks for the GPU, and no more partial sums than that needs.
int64_t rows_of_run(int64_t N, int64_t M) {
  const int64_t across = blocks_for(M, kLoraColumns), runs = std::max<int64_t>(1, 528 / across);
  return blocks_for(blocks_for(N, runs), kLoraRows) * kLoraRows;
}

template <class T>
void dropped_backward(Ctx& ctx, T* dx, acc_t<T>* da, const T* dxa, const T* x, const T* a, const LoraInput& in,
                      bool adds) {
  const LoraDown<T> down = down_of(x, a, in);
  const int64_t rows = rows_of_run(in.N, in.M), runs = blocks_for(in.N, rows), size = in.KR * in.M;
  Scratch scratch(ctx);
  acc_t<T>* partial = da == nullptr ? nullptr : scratch.array<acc_t<T>>(runs * size);
  const LoraBack<T> out{dx, partial, dxa, rows, adds};
  const int64_t grid = runs * blocks_for(in.M, kLoraColumns);
  over_ranks<T>(in.KR, all_vectorise(in.M, x, a, dx), [&](auto tiles, int64_t k0) {
    using P = decltype(tiles);
    const auto kernel = lora_down_backward_kernel<P::kWidth, P::kRanks, T>;
    LL_CUDA_LAUNCH(ctx, grid, kLoraThreads, 0, kernel, out, down, k0);
  });
  if (da != nullptr) launch_add_partial(ctx, AddPartial<acc_t<T>, 1>{{da}, partial, runs, size});
}

}  // namespace

template <class T> void lora_linear_down_forward(Ctx& ctx, T* xa, const T* x, const T* a, const LoraInput& in) {
  const int64_t N = in.N, M = in.M, KR = in.KR;
  if (in.dropout.p == 0)
    return matmul<T>(ctx, xa, x, a, {.trans_b = Trans::yes, .M = N, .N = KR, .K = M, .lda = M, .ldb = M, .ldc = KR},
                     acc_t<T>(1), acc_t<T>(0));
  const LoraDown<T> down = down_of(x, a, in);
  const int64_t grid = blocks_for(N, kLoraRows);
  over_ranks<T>(KR, all_vectorise(M, x, a), [&](auto tiles, int64_t k0) {
    using P = decltype(tiles);
    const auto kernel = lora_down_forward_kernel<P::kWidth, P::kRanks, T>;
    LL_CUDA_LAUNCH(ctx, grid, kLoraThreads, 0, kernel, xa, down, k0);
  });
}

template <class T>
void lora_linear_down_backward(Ctx& ctx, T* dx, acc_t<T>* da, const T* dxa, const T* x, const T* a, const LoraInput& in,
                               acc_t<T> beta) {
  const int64_t N = in.N, M = in.M, KR = in.KR;
  const acc_t<T> one(1);
  if (N == 0 || (da == nullptr && dx == nullptr)) return;
  if (in.dropout.p != 0) return dropped_backward(ctx, dx, da, dxa, x, a, in, beta != acc_t<T>(0));
  if (da != nullptr)
    matmul_acc<T>(ctx, da, dxa, x, {.trans_a = Trans::yes, .M = KR, .N = M, .K = N, .lda = KR, .ldb = M, .ldc = M}, one,
                  one);
  if (dx != nullptr) matmul<T>(ctx, dx, dxa, a, {.M = N, .N = M, .K = KR, .lda = KR, .ldb = M, .ldc = M}, one, beta);
}

LL_INSTANTIATE(lora_linear_down_forward);
LL_INSTANTIATE(lora_linear_down_backward);

}  // namespace lowland::cuda

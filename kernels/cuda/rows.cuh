// Launching what rows.h and column_sums_block.h describe.
#pragma once
#include "kernels/cuda/column_sums_block.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {

template <class A> __device__ A* shared_numbers() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return reinterpret_cast<A*>(bytes);
}

template <class A, int K> __global__ void __launch_bounds__(kAddThreads) add_partial_kernel(AddPartial<A, K> a) {
  __shared__ A shared[kAddThreads];
  DeviceBlock<kAddThreads> b;
  add_partial(b, shared, a);
}

// out_k += the sums over `blocks` blocks of their k-th run of C.
template <class A, int K> void launch_add_partial(Ctx& ctx, const AddPartial<A, K>& a) {
  LL_CUDA_LAUNCH(ctx, K * blocks_for(a.C, kWarp), kAddThreads, 0, add_partial_kernel, a);
}

// first_pass(blocks, shared bytes, partial sums) launches a first pass over N rows, which writes K sums of C columns a
// block; then they are added to outs.
template <class Plan, class A, int K, class FirstPass>
void sum_over_rows(Ctx& ctx, A* const (&outs)[K], int64_t N, int64_t C, const FirstPass& first_pass) {
  if (N == 0) return;
  const int64_t rows = rows_per_block(N, Plan::kRows), blocks = blocks_for(N, rows);
  Scratch scratch(ctx);
  AddPartial<A, K> add{{}, nullptr, blocks, C};
  for (int k = 0; k < K; ++k) add.out[k] = outs[k];
  A* partial = scratch.array<A>(blocks * K * C);
  add.partial = partial;
  const size_t shared = Plan::kRows > 1 ? K * C * sizeof(A) : 0;
  first_pass(blocks, shared, PartialSums<A>{partial, rows});
  launch_add_partial(ctx, add);
}

}  // namespace lowland::cuda

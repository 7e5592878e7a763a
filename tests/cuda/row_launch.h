// What the launchers of kernels/cuda/rows.cuh do, on the host: every block of the grid in turn.
#pragma once
#include "kernels/cuda/column_sums_block.h"
#include "tests/cuda/cuda_values.h"

namespace lowland::test {

template <class A, int K>
void host_add_partial(A* const (&outs)[K], const std::vector<A>& partial, int64_t blocks, int64_t C) {
  cuda::AddPartial<A, K> add{{}, partial.data(), blocks, C};
  for (int k = 0; k < K; ++k) add.out[k] = outs[k];
  std::vector<A> shared(cuda::kAddThreads);
  for (int64_t i = 0; i < K * ((C + cuda::kWarp - 1) / cuda::kWarp); ++i) {
    cuda::HostBlock<cuda::kAddThreads> b(i);
    cuda::add_partial(b, shared.data(), add);
  }
}

// body(block, shared, partial sums) for each block of a first pass over N rows.
template <class Plan, class A, int K, class Body>
void host_sum_over_rows(A* const (&outs)[K], int64_t N, int64_t C, const Body& body) {
  const int64_t rows = cuda::rows_per_block(N, Plan::kRows), blocks = (N + rows - 1) / rows;
  std::vector<A> partial(blocks * K * C, A(77)), shared(K * C, A(77));
  for (int64_t i = 0; i < blocks; ++i) {
    cuda::HostBlock<Plan::kThreads> b(i, blocks);
    body(b, shared.data(), cuda::PartialSums<A>{partial.data(), rows});
  }
  host_add_partial(outs, partial, blocks, C);
}

// body(block) for each block of a grid that has Plan::kRows rows a block.
template <class Plan, class Body> void host_over_rows(int64_t N, const Body& body) {
  const int64_t blocks = (N + Plan::kRows - 1) / Plan::kRows;
  for (int64_t i = 0; i < blocks; ++i) {
    cuda::HostBlock<Plan::kThreads> b(i, blocks);
    body(b);
  }
}

// fn(N, C, wide) for every kind of row: each plan, odd widths, long rows.
template <class T, class F> void over_row_shapes(const F& fn) {
  for (const int64_t C : {1, 31, 33, 257, 264, 768, 1024}) fn(int64_t{7}, C, C % cuda::kVector<T> == 0);
  fn(int64_t{7}, int64_t{768}, false);  // rows that lie askew
  for (const int64_t C : {1032, 4096, 5120, 8200}) fn(int64_t{3}, C, true);
  fn(int64_t{2}, int64_t{1025}, false);
  fn(int64_t{1061}, int64_t{24}, true);  // more rows than blocks of a sum
}

}  // namespace lowland::test

#include "kernels/cuda/attention_cudnn.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void ragged_lists_kernel(const __grid_constant__ RaggedLists lists, const int32_t* cu_q, const int32_t* cu_k,
                                    int64_t S) {
  const int64_t s = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (s > S) return;
  for (int i = 0; i < lists.count; ++i) {
    const RaggedOffsets& list = lists.offsets[i];
    list.out[s] = static_cast<int32_t>(list.cu[s] * list.stride);
  }
  if (s == S) return;
  lists.q_length[s] = cu_q[s + 1] - cu_q[s];
  lists.k_length[s] = cu_k[s + 1] - cu_k[s];
}

// A block per segment; the last one is that of the rows after all segments.
__global__ void zero_unpaired_rows_kernel(RowView<bf16> rows, float* lse, const int32_t* cu, const int32_t* other,
                                          int64_t S, int64_t N, int64_t heads, int64_t HD) {
  const int64_t s = blockIdx.x;
  if (s < S && other[s] != other[s + 1]) return;
  const int64_t begin = cu[s], count = (s < S ? cu[s + 1] : N) - begin;
  zero_rows<kThreads>(static_cast<int>(threadIdx.x), rows.data + begin * rows.stride, rows.stride,
                      static_cast<int>(count), static_cast<int>(heads * HD));
  if (lse == nullptr) return;
  for (int64_t i = threadIdx.x; i < count * heads; i += kThreads) lse[begin * heads + i] = 0;
}

}  // namespace

void fill_ragged_lists(Ctx& ctx, const RaggedLists& lists, const AttentionShape& shape) {
  LL_CUDA_LAUNCH(ctx, blocks_for(shape.S + 1, kThreads), kThreads, 0, ragged_lists_kernel, lists, shape.cu_q,
                 shape.cu_k, shape.S);
}

void zero_unpaired_rows(Ctx& ctx, const RowView<bf16>& rows, float* lse, const int32_t* cu, const int32_t* other,
                        int64_t S, int64_t N, int64_t heads, int64_t HD) {
  LL_CUDA_LAUNCH(ctx, S + 1, kThreads, 0, zero_unpaired_rows_kernel, rows, lse, cu, other, S, N, heads, HD);
}

}  // namespace lowland::cuda

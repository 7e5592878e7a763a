#include "kernels/embedding.h"

#include <cub/device/device_radix_sort.cuh>

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/embedding_block.h"
#include "kernels/cuda/frozen_rows.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/row_tiles.h"
#include "kernels/cuda/rows.cuh"

namespace lowland::cuda {
namespace {

template <int W, class T, class Table>
__global__ void __launch_bounds__(kTileThreads)
    embedding_forward_kernel(T* y, const int32_t* ids, const Table* table, int64_t N, int64_t C) {
  DeviceBlock<kTileThreads> b;
  copy_rows<W>(b, y, table, N, C, [ids](int64_t n) { return int64_t{ids[n]}; });
}

// y in 16-byte stores, whatever the width of the table.
template <class T, class Table>
void launch_forward(Ctx& ctx, T* y, const int32_t* ids, const Table* table, int64_t N, int64_t C) {
  with_chunk<T>(all_vectorise(C, y) && aligned16(table), [&](auto W) {
    LL_CUDA_LAUNCH(ctx, tile_blocks<W>(N, C), kTileThreads, 0, embedding_forward_kernel<W>, y, ids, table, N, C);
  });
}

__global__ void number_places_kernel(int32_t* places, int64_t N) {
  const int64_t n = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (n < N) places[n] = static_cast<int32_t>(n);
}

template <int W, class T>
__global__ void __launch_bounds__(kSumThreads) embedding_backward_kernel(EmbeddingBackward<T> a) {
  DeviceBlock<kSumThreads> b;
  embedding_backward_run<W>(b, shared_numbers<acc_t<T>>(), a);
}

template <int W, class T> void launch_backward(Ctx& ctx, const EmbeddingBackward<T>& a) {
  const int64_t blocks = a.N * blocks_for(a.C, kSumColumns<W>);
  const size_t shared = size_t{kSumGroups} * kSumColumns<W> * sizeof(acc_t<T>);
  LL_CUDA_LAUNCH(ctx, blocks, kSumThreads, shared, embedding_backward_kernel<W>, a);
}

}  // namespace

template <class T> void embedding_forward(Ctx& ctx, T* y, const int32_t* ids, const T* table, int64_t N, int64_t C) {
  launch_forward(ctx, y, ids, table, N, C);
}

template <class T>
void embedding_frozen(Ctx& ctx, T* y, const int32_t* ids, const void* table, DType type, int64_t N, int64_t C) {
  if (!is_blocks(type)) return launch_forward(ctx, y, ids, static_cast<const bf16*>(table), N, C);
  launch_frozen_rows(ctx, type, FrozenRows<T>{y, ids, static_cast<const uint8_t*>(table), N, C});
}

template <class T>
void embedding_backward(Ctx& ctx, acc_t<T>* dtable, const T* dy, const int32_t* ids, int64_t N, int64_t C) {
  if (N == 0) return;
  constexpr int kBits = 31;  // ids are not negative
  constexpr int64_t kThreads = 256;
  const int count = static_cast<int>(N);
  Scratch scratch(ctx);
  int32_t* sorted = scratch.array<int32_t>(N);
  int32_t* numbers = scratch.array<int32_t>(N);
  int32_t* places = scratch.array<int32_t>(N);
  size_t sort_bytes = 0;
  LL_CUDA(cub::DeviceRadixSort::SortPairs(nullptr, sort_bytes, ids, sorted, numbers, places, count, 0, kBits,
                                          stream_of(ctx)));
  void* sort_memory = scratch.bytes(sort_bytes);
  LL_CUDA_LAUNCH(ctx, blocks_for(N, kThreads), kThreads, 0, number_places_kernel, numbers, N);
  LL_CUDA(cub::DeviceRadixSort::SortPairs(sort_memory, sort_bytes, ids, sorted, numbers, places, count, 0, kBits,
                                          stream_of(ctx)));
  const EmbeddingBackward<T> args{dtable, dy, sorted, places, N, C};
  with_chunk<T>(all_vectorise(C, dy), [&](auto W) { launch_backward<W>(ctx, args); });
}

LL_INSTANTIATE(embedding_forward);
LL_INSTANTIATE(embedding_frozen);
LL_INSTANTIATE(embedding_backward);

}  // namespace lowland::cuda

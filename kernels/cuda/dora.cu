#include "kernels/dora.h"

#include "kernels/cuda/dora_block.h"
#include "kernels/cuda/rows.cuh"

namespace lowland::cuda {
namespace {

template <class A>
__global__ void __launch_bounds__(kDoraThreads) dora_scale_kernel(A* c, A* r, const A* m, const double* q, int64_t n) {
  DeviceBlock<kDoraThreads> b;
  dora_scale(b, c, r, m, q, n);
}

template <int W, class T>
__global__ void __launch_bounds__(kTileThreads) dora_tile_kernel(T* y, const T* z, const acc_t<T>* c, DoraShape d) {
  DeviceBlock<kTileThreads> b;
  dora_tile<W>(b, y, z, c, d);
}

template <int W, class T>
__global__ void __launch_bounds__(kSumThreads)
    dora_sums_kernel(PartialSums<acc_t<T>> to, const T* dy, const T* z, const acc_t<T>* r, DoraShape d) {
  DeviceBlock<kSumThreads> b;
  dora_sums<W>(b, shared_numbers<acc_t<T>>(), to, dy, z, r, d);
}

template <int W, class T>
void launch_dora_sums(Ctx& ctx, acc_t<T>* dm, const T* dy, const T* z, const acc_t<T>* r, const DoraShape& d) {
  using A = acc_t<T>;
  const int64_t tiles = blocks_for(d.n, kSumColumns<W>), rows = rows_of_column_sums(d.N, tiles);
  const int64_t chunks = blocks_for(d.N, rows);
  Scratch scratch(ctx);
  A* partial = scratch.array<A>(chunks * d.n);
  const size_t shared = size_t{kSumGroups} * kSumColumns<W> * sizeof(A);
  LL_CUDA_LAUNCH(ctx, chunks * tiles, kSumThreads, shared, dora_sums_kernel<W>, PartialSums<A>{partial, rows}, dy, z, r,
                 d);
  launch_add_partial(ctx, AddPartial<A, 1>{{dm}, partial, chunks, d.n});
}

template <class T> bool wide(const DoraShape& d, const T* x, const T* y) {
  return all_vectorise(d.n, x, y) && all_vectorise(d.ld, x, y);
}

}  // namespace

template <class T> void dora_scales(Ctx& ctx, acc_t<T>* c, acc_t<T>* r, const acc_t<T>* m, const double* q, int64_t n) {
  LL_CUDA_LAUNCH(ctx, blocks_for(n, kDoraThreads), kDoraThreads, 0, dora_scale_kernel<acc_t<T>>, c, r, m, q, n);
}

template <class T> void dora_forward(Ctx& ctx, T* y, const T* z, const acc_t<T>* c, const DoraShape& d) {
  with_chunk<T>(wide(d, y, z), [&](auto W) {
    LL_CUDA_LAUNCH(ctx, tile_blocks<W>(d.N, d.n), kTileThreads, 0, dora_tile_kernel<W>, y, z, c, d);
  });
}

template <class T>
void dora_backward(Ctx& ctx, T* dz, acc_t<T>* dm, const T* dy, const T* z, const acc_t<T>* c, const acc_t<T>* r,
                   const DoraShape& d) {
  dora_forward<T>(ctx, dz, dy, c, d);
  if (dm == nullptr || d.N == 0) return;
  with_chunk<T>(wide(d, dy, z), [&](auto W) { launch_dora_sums<W>(ctx, dm, dy, z, r, d); });
}

LL_INSTANTIATE(dora_scales);
LL_INSTANTIATE(dora_forward);
LL_INSTANTIATE(dora_backward);

}  // namespace lowland::cuda

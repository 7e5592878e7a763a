#include "kernels/frozen_matmul.h"

#include <algorithm>
#include <type_traits>

#include "kernels/cuda/device_mma.cuh"
#include "kernels/cuda/frozen_matmul_block.h"
#include "kernels/cuda/frozen_rows.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/matmul_view.h"

namespace lowland::cuda {
namespace {

constexpr int64_t kStripBytes = int64_t{16} << 20;  // of the converted weight
constexpr int64_t kFusedRows = 256;                 // of A, for each 128 of which a fused product decodes the weight

template <int MT, bool kByRows>
__global__ void __launch_bounds__(kMmaThreads) frozen_matmul_mma_kernel(const __grid_constant__ FrozenProduct product) {
  extern __shared__ __align__(16) uint8_t shared[];
  DeviceBlock<kMmaThreads> block;
  FrozenMma<DeviceBlock<kMmaThreads>, MT, kByRows>(block, product, shared).run();
}

__global__ void frozen_matmul_parts_kernel(const __grid_constant__ FrozenProduct product) {
  const int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x;
  if (i < product.M * product.N) add_frozen_parts(product, i);
}

template <int MT, bool kByRows> void launch_mma(Ctx& ctx, const FrozenProduct& product) {
  using Body = FrozenMma<DeviceBlock<kMmaThreads>, MT, kByRows>;
  const auto frozen_matmul_mma = frozen_matmul_mma_kernel<MT, kByRows>;
  allow_shared(frozen_matmul_mma, Body::kShared);
  LL_CUDA_LAUNCH(ctx, Body::blocks(product), kMmaThreads, Body::kShared, frozen_matmul_mma, product);
}

void fused_matmul(Ctx& ctx, FrozenProduct product, bool by_rows) {
  Scratch scratch(ctx);
  if (product.parts > 1) product.partial = scratch.array<float>(product.parts * product.M * product.N);
  if (frozen_row_tiles(product.M) == 1) {
    by_rows ? launch_mma<1, true>(ctx, product) : launch_mma<1, false>(ctx, product);
  } else {
    by_rows ? launch_mma<2, true>(ctx, product) : launch_mma<2, false>(ctx, product);
  }
  if (product.parts > 1)
    LL_CUDA_LAUNCH(ctx, blocks_for(product.M * product.N, 256), 256, 0, frozen_matmul_parts_kernel, product);
}

// y (rows, columns) without gaps, from rows of x that lie ld apart
template <class T> __global__ void widen_kernel(T* y, const bf16* x, int64_t rows, int64_t columns, int64_t ld) {
  const int64_t n = rows * columns;
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < n; i += int64_t{gridDim.x} * blockDim.x)
    y[i] = static_cast<T>(static_cast<float>(x[i / columns * ld + i % columns]));
}

// Rows [first, first + n) of B, `ld` apart, as T.
template <class T>
void widen(Ctx& ctx, T* wide, const void* B, DType type, int64_t first, int64_t n, int64_t columns, int64_t ld) {
  if (is_blocks(type)) {
    const uint8_t* blocks = static_cast<const uint8_t*>(B) + first * row_bytes(type, columns);
    return launch_frozen_rows(ctx, type, FrozenRows<T>{wide, nullptr, blocks, n, columns});
  }
  LL_CUDA_LAUNCH(ctx, std::min<int64_t>(blocks_for(n * columns, 256), 2048), 256, 0, widen_kernel<T>, wide,
                 static_cast<const bf16*>(B) + first * ld, n, columns, ld);
}

template <class T>
void widened_matmul(Ctx& ctx, T* C, const T* A, const void* B, DType type, const MatmulShape& shape, acc_t<T> alpha,
                    acc_t<T> beta) {
  const bool by_rows = shape.trans_b == Trans::yes;  // B is stored (N, K), else (K, N)
  const int64_t rows = by_rows ? shape.N : shape.K, columns = by_rows ? shape.K : shape.N;
  const int64_t strip = std::clamp<int64_t>(kStripBytes / static_cast<int64_t>(sizeof(T)) / columns, 1, rows);
  Scratch scratch(ctx);
  T* wide = scratch.array<T>(strip * columns);
  for (int64_t first = 0; first < rows; first += strip) {
    const int64_t n = std::min(strip, rows - first);
    widen(ctx, wide, B, type, first, n, columns, shape.ldb);
    MatmulShape part = shape;
    part.ldb = columns;
    (by_rows ? part.N : part.K) = n;
    // rows of B^T are columns of C; rows of B are terms of its sum
    matmul<T>(ctx, by_rows ? C + first : C, by_rows ? A : A + first, wide, part, alpha,
              by_rows || first == 0 ? beta : acc_t<T>(1));
  }
}

}  // namespace

template <class T>
void frozen_matmul(Ctx& ctx, T* C, const T* A, const void* B, DType type, const MatmulShape& shape, acc_t<T> alpha,
                   acc_t<T> beta) {
  if (shape.M == 0 || shape.N == 0 || shape.K == 0) return matmul<T>(ctx, C, A, nullptr, shape, alpha, beta);
  if constexpr (std::is_same_v<T, bf16>) {
    if (type == DType::bf16) return matmul<bf16>(ctx, C, A, static_cast<const bf16*>(B), shape, alpha, beta);
    if (shape.M <= kFusedRows)
      return fused_matmul(ctx, frozen_product(C, A, B, type, shape, alpha, beta), shape.trans_b == Trans::yes);
  }
  widened_matmul<T>(ctx, C, A, B, type, shape, alpha, beta);
}

LL_INSTANTIATE(frozen_matmul);

}  // namespace lowland::cuda

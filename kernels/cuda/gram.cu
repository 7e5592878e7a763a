#include "kernels/gram.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/gram_block.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kGramEntryThreads)
    gram_entry_kernel(double* K, const T* x, const T* y, int64_t r, int64_t n, int64_t stride, int64_t step) {
  DeviceBlock<kGramEntryThreads> b;
  gram_entry(b, K, x, y, r, n, stride, step);
}

}  // namespace

template <class T> void gram_rows(Ctx& ctx, double* K, const T* x, const T* y, int64_t r, int64_t m) {
  LL_CUDA_LAUNCH(ctx, r * r, kGramEntryThreads, 0, gram_entry_kernel<T>, K, x, y, r, m, m, int64_t{1});
}

template <class T> void gram_columns(Ctx& ctx, double* K, const T* x, const T* y, int64_t n, int64_t r) {
  LL_CUDA_LAUNCH(ctx, r * r, kGramEntryThreads, 0, gram_entry_kernel<T>, K, x, y, r, n, int64_t{1}, r);
}

LL_INSTANTIATE(gram_rows);
LL_INSTANTIATE(gram_columns);

}  // namespace lowland::cuda

#include "kernels/adapter_norms.h"

#include "kernels/common/error.h"
#include "kernels/cuda/adapter_norms_block.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kGramThreads)
    norms_gram_kernel(double* partial, EflatArrays<T> in, EflatTable table) {
  __shared__ alignas(16) double z[kGramShared];
  __shared__ int64_t row;
  DeviceBlock<kGramThreads> b;
  gram_partials(b, partial, in, table, EflatOptions{}, z, &row);
}

__global__ void __launch_bounds__(kSolveThreads)
    adapter_norm_kernel(double* out, const double* partial, EflatTable table, bool tangent, double* work) {
  DeviceBlock<kSolveThreads> b;
  adapter_norm(b, out, partial, table, tangent, work + b.index() * norm_work(table.most_r));
}

}  // namespace

template <class T>
void adapter_norms(Ctx& ctx, double* out, const T* values, const T* x, const EflatTable& table) {
  if (table.count == 0) return;
  const int64_t rr = table.most_r * table.most_r;
  if (table.most_r > kMostEflatRank)
    fail("[adapter_norms] rank " + std::to_string(table.most_r) + " is above the " + std::to_string(kMostEflatRank) +
         " that the GPU's kernels take");
  Scratch scratch(ctx);
  double* partial = scratch.array<double>(table.gram_blocks * 3 * rr);
  double* work = scratch.array<double>(table.count * norm_work(table.most_r));
  const EflatArrays<T> in{values, x == nullptr ? values : x, nullptr};
  LL_CUDA_LAUNCH(ctx, table.gram_blocks, kGramThreads, 0, norms_gram_kernel<T>, partial, in, table);
  LL_CUDA_LAUNCH(ctx, table.count, kSolveThreads, 0, adapter_norm_kernel, out, partial, table, x != nullptr, work);
}

LL_INSTANTIATE_MASTER(adapter_norms);

}  // namespace lowland::cuda

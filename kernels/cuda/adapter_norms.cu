#include "kernels/cuda/adapter_norms_block.h"
#include "kernels/cuda/gram_launch.cuh"

namespace lowland::cuda {
namespace {

__global__ void __launch_bounds__(kSolveThreads)
    adapter_norm_kernel(double* out, const double* partial, EflatTable table, bool tangent, double* work) {
  DeviceBlock<kSolveThreads> b;
  adapter_norm(b, out, partial, table, tangent, work + b.index() * norm_work(table.most_r));
}

}  // namespace

template <class T> void adapter_norms(Ctx& ctx, double* out, const T* values, const T* x, const EflatTable& table) {
  if (table.count == 0) return;
  Scratch scratch(ctx);
  const double* partial = launch_grams(ctx, scratch, "adapter_norms", values, x == nullptr ? values : x, table);
  double* work = scratch.array<double>(table.count * norm_work(table.most_r));
  LL_CUDA_LAUNCH(ctx, table.count, kSolveThreads, 0, adapter_norm_kernel, out, partial, table, x != nullptr, work);
}

LL_INSTANTIATE_MASTER(adapter_norms);

}  // namespace lowland::cuda

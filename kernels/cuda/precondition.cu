#include "kernels/cuda/gram_launch.cuh"
#include "kernels/cuda/map.cuh"
#include "kernels/cuda/precondition_block.h"

namespace lowland::cuda {
namespace {

__global__ void __launch_bounds__(kSolveThreads)
    damped_inverses_kernel(double* out, const double* partial, EflatTable table, double* work, const StepScalars* s) {
  if (s->finite == 0) return;
  DeviceBlock<kSolveThreads> b;
  damped_inverses(b, out, partial, table, work + b.index() * damped_work(table.most_r));
}

template <class T>
__global__ void __launch_bounds__(kPreconditionThreads)
    precondition_kernel(T* grads, const T* before, const double* inverses, EflatTable table, const StepScalars* s) {
  if (s->finite == 0) return;
  DeviceBlock<kPreconditionThreads> b;
  precondition_adapter(b, grads, before, inverses, table);
}

template <class A> struct Same {
  LL_HD A operator()(A x) const { return x; }
};

}  // namespace

template <class T>
void precondition(Ctx& ctx, T* grads, const T* values, int64_t n, const EflatTable& table, const StepScalars* s) {
  if (table.count == 0) return;
  Scratch scratch(ctx);
  const double* partial = launch_grams(ctx, scratch, "precondition", values, values, table);
  double* inverses = scratch.array<double>(table.count * 2 * table.most_r * table.most_r);
  double* work = scratch.array<double>(table.count * damped_work(table.most_r));
  T* before = scratch.array<T>(n);
  LL_CUDA_LAUNCH(ctx, table.count, kSolveThreads, 0, damped_inverses_kernel, inverses, partial, table, work, s);
  map_elements(ctx, before, n, Same<acc_t<T>>{}, static_cast<const T*>(grads));
  LL_CUDA_LAUNCH(ctx, table.count, kPreconditionThreads, 0, precondition_kernel<T>, grads, before, inverses, table, s);
}

LL_INSTANTIATE_MASTER(precondition);

}  // namespace lowland::cuda

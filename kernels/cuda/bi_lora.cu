#include "kernels/bi_lora.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/map.cuh"
#include "kernels/cuda/sum_squares_block.h"

namespace lowland::cuda {
namespace {

template <class A> struct Ascend {
  const StepScalars* s;
  double rate;
  LL_HD A operator()(A x, A g) const { return s->finite == 0 ? x : x + static_cast<A>(rate * s->lr) * g; }
};

template <class A> struct TimesFactor {
  const double* factor;
  LL_HD A operator()(A x) const { return static_cast<A>(*factor) * x; }
};

// sum: one double. factor: what all pairs are multiplied by.
__global__ void __launch_bounds__(kSquaresThreads)
    bi_lora_factor_kernel(double* factor, double* sum, const double* norm2, int64_t count, const StepScalars* s) {
  DeviceBlock<kSquaresThreads> b;
  add_partials(b, sum, norm2, count);
  b.each([&](int t) {
    if (t != 0) return;
    const double c = sqrt(*sum);
    *factor = s->finite != 0 && c > s->rho ? sqrt(s->rho / c) : 1.0;
  });
}

}  // namespace

template <class T>
void bi_lora_step(Ctx& ctx, T* x, double* norm2, const T* g, int64_t n, const EflatTable& table, double rate,
                  const StepScalars* s) {
  map_elements(ctx, x, n, Ascend<acc_t<T>>{s, rate}, static_cast<const T*>(x), g);
  adapter_norms(ctx, norm2, x, static_cast<const T*>(nullptr), table);
  Scratch scratch(ctx);
  double* const numbers = scratch.array<double>(2);
  LL_CUDA_LAUNCH(ctx, 1, kSquaresThreads, 0, bi_lora_factor_kernel, numbers, numbers + 1, norm2, table.count, s);
  map_elements(ctx, x, n, TimesFactor<acc_t<T>>{numbers}, static_cast<const T*>(x));
}

LL_INSTANTIATE_MASTER(bi_lora_step);

}  // namespace lowland::cuda

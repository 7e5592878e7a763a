#include "kernels/mse.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {
namespace {
constexpr int64_t kBlock = 4096;
}

template <class T>
void mse_forward(Ctx& ctx, acc_t<T>* loss, const T* x, const acc_t<T>* target, int64_t n, double scale) {
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  Scratch scratch(ctx);
  double* partial = scratch.array<double>(blocks + 1);
  parallel_for(ctx, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t last = (b + 1) * kBlock < n ? (b + 1) * kBlock : n;
      double sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = b * kBlock; i < last; ++i) {
        const double d = real(x[i]) - static_cast<double>(target[i]);
        sum += d * d;
      }
      partial[b] = sum;
    }
  });
  double total = 0;
  for (int64_t b = 0; b < blocks; ++b) total += partial[b];
  *loss = static_cast<acc_t<T>>(scale * total);
}

template <class T>
void mse_backward(Ctx& ctx, T* dx, const acc_t<T>* dloss, const T* x, const acc_t<T>* target, int64_t n, double scale) {
  const acc_t<T> g = static_cast<acc_t<T>>(2 * scale * static_cast<double>(*dloss));
  parallel_for(ctx, n, 4 * kBlock, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) dx[i] = narrow<T>(g * (wide(x[i]) - target[i]));
  });
}

LL_INSTANTIATE(mse_forward);
LL_INSTANTIATE(mse_backward);

}  // namespace lowland::LL_CPU

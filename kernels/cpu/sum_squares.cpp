#include "kernels/sum_squares.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {

template <class T> void sum_squares(Ctx& ctx, double* out, const T* x, int64_t n) {
  constexpr int64_t kBlock = 4096;
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  Scratch scratch(ctx);
  double* partial = scratch.array<double>(blocks + 1);
  parallel_for(ctx, blocks, 4, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t last = (b + 1) * kBlock < n ? (b + 1) * kBlock : n;
      double sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = b * kBlock; i < last; ++i) sum += real(x[i]) * real(x[i]);
      partial[b] = sum;
    }
  });
  double total = 0;
  for (int64_t b = 0; b < blocks; ++b) total += partial[b];
  *out = total;
}

LL_INSTANTIATE(sum_squares);

}  // namespace lowland::LL_CPU

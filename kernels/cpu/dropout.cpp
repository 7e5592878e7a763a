#include "kernels/dropout.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"
#include "kernels/cpu/philox_row.h"

namespace lowland::LL_CPU {

template <class T> void dropout_forward(Ctx& ctx, T* y, const T* x, const DropoutRows& rows, int64_t N, int64_t C) {
  using A = acc_t<T>;
  const uint32_t threshold = drop_threshold(rows.p);
  const A scale = keep_scale<A>(rows.p);
  parallel_for(ctx, N, 16, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      over_draws(draws_of(rows, n), 0, C, [&](int64_t c, int64_t count, const uint16_t* draws) {
        const T* from = x + n * C + c;
        T* to = y + n * C + c;
        const uint32_t limit = threshold;  // local, so that no store to y can change it
        const A kept = scale;
#pragma omp simd
        for (int64_t i = 0; i < count; ++i) to[i] = narrow<T>(wide(from[i]) * (draws[i] >= limit ? kept : A(0)));
      });
    }
  });
}

LL_INSTANTIATE(dropout_forward);

}  // namespace lowland::LL_CPU

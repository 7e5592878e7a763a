// Sums over rows in blocks of a fixed size, so that the result does not depend on the number of threads.
#pragma once
#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {

inline constexpr int64_t kRowBlock = 32;

// out_c += sum_n term(n, c) for c in [0, C): add_row(partial, n) adds row n into a zeroed partial of C values.
template <class T, class AddRow>
inline void sum_rows_into(Ctx& ctx, T* out, int64_t N, int64_t C, const AddRow& add_row) {
  const int64_t blocks = (N + kRowBlock - 1) / kRowBlock;
  Scratch scratch(ctx);
  T* partial = static_cast<T*>(scratch.bytes(static_cast<size_t>(blocks * C) * sizeof(T)));
  parallel_for(ctx, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      T* p = partial + b * C;
      for (int64_t c = 0; c < C; ++c) p[c] = T(0);
      const int64_t last = (b + 1) * kRowBlock < N ? (b + 1) * kRowBlock : N;
      for (int64_t n = b * kRowBlock; n < last; ++n) add_row(p, n);
    }
  });
  parallel_for(ctx, C, 256, [&](int64_t begin, int64_t end) {
    for (int64_t b = 0; b < blocks; ++b)
      for (int64_t c = begin; c < end; ++c) out[c] += partial[b * C + c];
  });
}

}  // namespace lowland::LL_CPU

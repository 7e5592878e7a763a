// Sums over rows in blocks of a fixed size, so that the result does not depend on the number of threads.
#pragma once
#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {

inline constexpr int64_t kRowBlock = 32;

// Elements of scratch memory of `sums` sums of C columns.
inline int64_t row_sums_scratch(int64_t sums, int64_t N, int64_t C) {
  return (N + kRowBlock - 1) / kRowBlock * sums * C;
}

// For every row n: add_row(p, n) adds the row's terms into the partial sums p (kSums runs of C values, one
// for each of `outs`) and does what else the row needs while it is in cache. At the end outs[k] += the sum
// of all k-th runs. An out may be null; if all are, there are no sums, and add_row gets a null p.
template <int kSums, class T, class AddRow>
inline void sum_rows_into_each(Ctx& ctx, T* const (&outs)[kSums], int64_t N, int64_t C, const AddRow& add_row) {
  bool wanted = false;
  for (T* out : outs) wanted = wanted || out != nullptr;
  if (!wanted) {
    parallel_for(ctx, N, row_grain(C), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) add_row(static_cast<T*>(nullptr), n);
    });
    return;
  }
  const int64_t blocks = (N + kRowBlock - 1) / kRowBlock, width = kSums * C;
  Scratch scratch(ctx);
  T* partial = scratch.array<T>(row_sums_scratch(kSums, N, C));
  parallel_for(ctx, blocks, row_grain(kRowBlock * width), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      T* p = partial + b * width;
      for (int64_t c = 0; c < width; ++c) p[c] = T(0);
      const int64_t last = (b + 1) * kRowBlock < N ? (b + 1) * kRowBlock : N;
      for (int64_t n = b * kRowBlock; n < last; ++n) add_row(p, n);
    }
  });
  for (int k = 0; k < kSums; ++k) {
    T* out = outs[k];
    if (out == nullptr) continue;
    parallel_for(ctx, C, row_grain(blocks), [&](int64_t begin, int64_t end) {
      for (int64_t b = 0; b < blocks; ++b)
        for (int64_t c = begin; c < end; ++c) out[c] += partial[b * width + k * C + c];
    });
  }
}

// The same with one sum, out_c += sum_n term(n, c).
template <class T, class AddRow>
inline void sum_rows_into(Ctx& ctx, T* out, int64_t N, int64_t C, const AddRow& add_row) {
  T* const outs[1] = {out};
  sum_rows_into_each(ctx, outs, N, C, add_row);
}

// out_c = value(c), or += where it adds, in acc_t<T>. What is added is rounded to that type before, as if it had been
// an array: no product of value's is fused with the sum.
template <class T, class Value> inline void write_row(T* out, int64_t C, bool adds, const Value& value) {
  if (!adds) {
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) out[c] = narrow<T>(value(c));
    return;
  }
  constexpr int64_t kPart = 512;
  acc_t<T> part[kPart];
  for (int64_t first = 0; first < C; first += kPart) {
    const int64_t columns = C - first < kPart ? C - first : kPart;
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) part[c] = value(first + c);
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) out[first + c] = narrow<T>(wide(out[first + c]) + part[c]);
  }
}

}  // namespace lowland::LL_CPU

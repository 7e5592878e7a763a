// Small matrix products on tiles that stay in the first-level cache, and the packing that feeds them. One
// register block serves all products of attention; it is written with the compilers' vector types.
#pragma once
#include <cstdint>

#include "kernels/cpu/number.h"
#include "kernels/cpu/vec_math.h"

namespace lowland::LL_CPU {

// Registers: kBlockRows x kPanel sums + kPanel + 1 must fit in 32 (AVX-512) or 16 (AVX2).
#ifdef __AVX512F__
inline constexpr int kVectorBytes = 64;
inline constexpr int kPanel = 4;  // vectors side by side
#else
inline constexpr int kVectorBytes = 32;
inline constexpr int kPanel = 2;
#endif
inline constexpr int kBlockRows = 6;

template <class T> struct VectorOf { typedef T type __attribute__((vector_size(kVectorBytes))); };
template <class T> using Vec = typename VectorOf<T>::type;
template <class T> inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T> LL_INLINE Vec<T> load(const T* p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
// As many elements of S as T.
template <class T, class S> LL_INLINE Vec<T> load_wide(const S* p) {
  if constexpr (std::is_same_v<S, T>) {
    return load(p);
  } else {
    static_assert(std::is_same_v<S, bf16> && std::is_same_v<T, float>);
    typedef uint16_t Half __attribute__((vector_size(kVectorBytes / 2)));
    typedef uint32_t Wide __attribute__((vector_size(kVectorBytes)));
    Half half;
    __builtin_memcpy(&half, p, sizeof half);
    return (Vec<T>)(__builtin_convertvector(half, Wide) << 16);
  }
}
template <class T> LL_INLINE void store(T* p, const Vec<T>& v) { __builtin_memcpy(p, &v, sizeof v); }

template <class T> constexpr int64_t round_to_lanes(int64_t n) { return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>; }

template <class T> struct Tile {
  T* data;
  int64_t ld;  // elements between rows
};

// How A is stored: m-major (A_mk at m ld + k) or k-major (A_mk at k ld + m).
enum class Major : uint8_t { m, k };

// C (MR x NV vectors) = or += A B over K terms. Of each row of C no more than `columns` elements are written.
template <int MR, int NV, Major kMajor, class T>
__attribute__((noinline)) void register_block(Tile<T> C, Tile<const T> A, Tile<const T> B, int64_t columns, int64_t K,
                                              bool accumulate) {
  constexpr int W = kLanes<T>;
  Vec<T> sum[MR][NV] = {};
  const T* a = A.data;
  const T* b = B.data;
  for (int64_t k = 0; k < K; ++k, b += B.ld, a += kMajor == Major::m ? 1 : A.ld) {
    Vec<T> row[NV];
    for (int n = 0; n < NV; ++n) row[n] = load(b + n * W);
    for (int m = 0; m < MR; ++m) {
      const T x = kMajor == Major::m ? a[m * A.ld] : a[m];
      for (int n = 0; n < NV; ++n) sum[m][n] += x * row[n];
    }
  }
  if (columns >= NV * W) {
    for (int m = 0; m < MR; ++m)
      for (int n = 0; n < NV; ++n) {
        T* c = C.data + m * C.ld + n * W;
        store(c, accumulate ? sum[m][n] + load(c) : sum[m][n]);
      }
    return;
  }
  for (int m = 0; m < MR; ++m)
    for (int64_t i = 0; i < columns; ++i) {
      T* c = C.data + m * C.ld + i;
      *c = sum[m][i / W][i % W] + (accumulate ? *c : T(0));
    }
}

template <int NV, Major kMajor, class T>
inline void block_column(Tile<T> C, Tile<const T> A, Tile<const T> B, int64_t M, int64_t columns, int64_t K,
                         bool accumulate) {
  const int64_t step = kMajor == Major::m ? A.ld : 1;
  int64_t m = 0;
  for (; m + kBlockRows <= M; m += kBlockRows)
    register_block<kBlockRows, NV, kMajor, T>({C.data + m * C.ld, C.ld}, {A.data + m * step, A.ld}, B, columns, K,
                                              accumulate);
  C.data += m * C.ld;
  A.data += m * step;
  switch (M - m) {
    case 1: return register_block<1, NV, kMajor, T>(C, A, B, columns, K, accumulate);
    case 2: return register_block<2, NV, kMajor, T>(C, A, B, columns, K, accumulate);
    case 3: return register_block<3, NV, kMajor, T>(C, A, B, columns, K, accumulate);
    case 4: return register_block<4, NV, kMajor, T>(C, A, B, columns, K, accumulate);
    case 5: return register_block<5, NV, kMajor, T>(C, A, B, columns, K, accumulate);
    default: return;
  }
}

// C (M, N) = or += A (M, K) B (K, N). Rows of B are read up to whole vectors; of C, N are written.
template <Major kMajor, class T>
inline void tile_product(Tile<T> C, Tile<const T> A, Tile<const T> B, int64_t M, int64_t N, int64_t K,
                         bool accumulate) {
  constexpr int64_t W = kLanes<T>;
  for (int64_t n = 0; n < N; n += kPanel * W) {
    const Tile<T> c{C.data + n, C.ld};
    const Tile<const T> b{B.data + n, B.ld};
    const int64_t columns = N - n, vectors = (columns + W - 1) / W;
    if (vectors >= kPanel) {
      block_column<kPanel, kMajor>(c, A, b, M, columns, K, accumulate);
    } else if (vectors == 1) {
      block_column<1, kMajor>(c, A, b, M, columns, K, accumulate);
    } else if (vectors == 2) {
      block_column<2, kMajor>(c, A, b, M, columns, K, accumulate);
    } else {
      block_column<3, kMajor>(c, A, b, M, columns, K, accumulate);
    }
  }
}

// to (rows, columns) = scale * from, columns filled up with zeros to whole vectors.
template <class T, class S>
inline void pack_rows(Tile<T> to, Tile<const S> from, int64_t rows, int64_t columns, T scale) {
  const int64_t width = round_to_lanes<T>(columns);
  for (int64_t i = 0; i < rows; ++i) {
    T* out = to.data + i * to.ld;
    const S* in = from.data + i * from.ld;
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) out[c] = scale * wide(in[c]);
    for (int64_t c = columns; c < width; ++c) out[c] = T(0);
  }
}

// sum_c a_c b_c
template <class T, class S> inline T dot(const T* a, const S* b, int64_t columns) {
  constexpr int W = kLanes<T>;
  Vec<T> sums = {};
  int64_t c = 0;
  for (; c + W <= columns; c += W) sums += load(a + c) * load_wide<T>(b + c);
  T sum = 0;
  for (; c < columns; ++c) sum += a[c] * wide(b[c]);
  for (int i = 0; i < W; ++i) sum += sums[i];
  return sum;
}

// Asks for rows that will be read or written, so that their lines are there in time.
enum class Use : int { read, write };

template <Use kUse, class T> inline void prefetch_rows(Tile<T> rows, int64_t count, int64_t columns) {
  for (int64_t i = 0; i < count; ++i)
    for (int64_t c = 0; c < columns; c += 64 / static_cast<int64_t>(sizeof(T)))
      __builtin_prefetch(rows.data + i * rows.ld + c, static_cast<int>(kUse));
}

// One step of transposing a square of vectors: swaps the off-diagonal S x S blocks of rows a and b = a + S.
template <int S, class T, int... I> LL_INLINE void swap_blocks(Vec<T>& a, Vec<T>& b) {
  constexpr int W = kLanes<T>;
  const Vec<T> upper = __builtin_shufflevector(a, b, ((I & S) != 0 ? W + I - S : I)...);
  b = __builtin_shufflevector(a, b, ((I & S) != 0 ? W + I : I + S)...);
  a = upper;
}

template <int S, class T> LL_INLINE void transpose_step(Vec<T>* v) {
  for (int r = 0; r < kLanes<T>; ++r)
    if ((r & S) == 0) {
      if constexpr (kLanes<T> == 4) swap_blocks<S, T, 0, 1, 2, 3>(v[r], v[r + S]);
      if constexpr (kLanes<T> == 8) swap_blocks<S, T, 0, 1, 2, 3, 4, 5, 6, 7>(v[r], v[r + S]);
      if constexpr (kLanes<T> == 16)
        swap_blocks<S, T, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>(v[r], v[r + S]);
    }
}

// to (columns, rows) = scale * from^T. Rows are filled up with zeros to whole vectors.
template <class T, class S>
inline void pack_transposed(Tile<T> to, Tile<const S> from, int64_t rows, int64_t columns, T scale) {
  constexpr int W = kLanes<T>;
  for (int64_t i = 0; i < rows; i += W) {
    int64_t c = 0;
    for (; c + W <= columns; c += W) {
      Vec<T> v[W];
      for (int r = 0; r < W; ++r)
        v[r] = i + r < rows ? scale * load_wide<T>(from.data + (i + r) * from.ld + c) : Vec<T>{};
      transpose_step<1, T>(v);
      transpose_step<2, T>(v);
      if constexpr (W > 4) transpose_step<4, T>(v);
      if constexpr (W > 8) transpose_step<8, T>(v);
      for (int r = 0; r < W; ++r) store(to.data + (c + r) * to.ld + i, v[r]);
    }
    for (; c < columns; ++c)
      for (int r = 0; r < W; ++r)
        to.data[c * to.ld + i + r] = i + r < rows ? scale * wide(from.data[(i + r) * from.ld + c]) : T(0);
  }
}

}  // namespace lowland::LL_CPU

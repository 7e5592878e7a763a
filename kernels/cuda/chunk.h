// Chunk<T, W>: W adjacent elements, moved by one load or store. A kernel moves 16 bytes (W = kVector<T>) where its
// rows and pointers are multiples of 16 bytes, and single elements (W = 1) elsewhere; what it computes is the same.
#pragma once
#include <type_traits>

#include "kernels/cuda/block.h"

namespace lowland::cuda {

template <class T> inline constexpr int kVector = Vec<T>::kCount;

// Elements are read as what they are computed with: x[j] is an acc_t<T>.
template <class T, int W> struct alignas(sizeof(T) * W) Chunk {
  T v[W];
  LL_HD acc_t<T> operator[](int j) const { return static_cast<acc_t<T>>(v[j]); }
};

// Two bf16 stay one register until they are used.
template <int W>
requires(W % 2 == 0) struct alignas(2 * W) Chunk<bf16, W> {
  uint32_t v[W / 2];
  LL_HD float operator[](int j) const {
    const uint32_t bits = j % 2 == 0 ? v[j / 2] << 16 : v[j / 2] & 0xffff0000u;
#if defined(__CUDA_ARCH__)
    return __uint_as_float(bits);
#else
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
#endif
  }
};

template <int W, class T> LL_HD Chunk<T, W> load_chunk(const T* p) {
#if defined(__CUDA_ARCH__)
  return *reinterpret_cast<const Chunk<T, W>*>(p);
#else
  check_aligned(p, sizeof(Chunk<T, W>));
  Chunk<T, W> x;
  std::memcpy(&x, p, sizeof x);
  return x;
#endif
}
// To global memory.
template <class T, int W> LL_HD void store_chunk(T* p, const Chunk<T, W>& x) {
#if defined(__CUDA_ARCH__)
  if constexpr (sizeof x == 16) {  // in so many words: in some branches nvcc makes four stores of it
    uint32_t v[4];
    std::memcpy(v, &x, sizeof x);
    asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(p)), "r"(v[0]), "r"(v[1]),
                 "r"(v[2]), "r"(v[3])
                 : "memory");
  } else {
    *reinterpret_cast<Chunk<T, W>*>(p) = x;
  }
#else
  check_aligned(p, sizeof x);
  std::memcpy(p, &x, sizeof x);
#endif
}

LL_HD inline uint32_t two_bf16(float low, float high) {
#if defined(__CUDA_ARCH__)
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
#else
  return uint32_t{bf16(low).bits} | uint32_t{bf16(high).bits} << 16;
#endif
}

// The chunk of fn(j), each rounded once.
template <class T, int W, class F> LL_HD Chunk<T, W> chunk_of(const F& fn) {
  Chunk<T, W> out;
  if constexpr (sizeof(T) == 2 && W % 2 == 0) {
    LL_UNROLL
    for (int j = 0; j < W; j += 2) out.v[j / 2] = two_bf16(fn(j), fn(j + 1));
  } else {
    LL_UNROLL
    for (int j = 0; j < W; ++j) out.v[j] = static_cast<T>(fn(j));
  }
  return out;
}

// p_j = fn(j), or p_j += fn(j) where it adds, rounded once.
template <int W, class T, class F> LL_HD void store_each(T* p, const F& fn, bool adds = false) {
  if (!adds) return store_chunk(p, chunk_of<T, W>(fn));
  const auto before = load_chunk<W>(p);
  store_chunk(p, chunk_of<T, W>([&](int j) { return before[j] + fn(j); }));
}

template <class T> LL_HD acc_t<T> wide(T x) { return static_cast<acc_t<T>>(x); }

template <class T> LL_HD bool aligned16(const T* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

// True if rows of C columns may be moved 16 bytes at a time at each of the pointers; a null one does not matter.
template <class... T> LL_HD bool all_vectorise(int64_t C, const T*... p) {
  return ((C % kVector<T> == 0 && aligned16(p)) && ...);
}

// fn(W), an integral_constant: kVector<T> where chunks of 16 bytes may be moved, else 1.
template <class T, class F> void with_chunk(bool wide, const F& fn) {
  if (wide)
    fn(std::integral_constant<int, kVector<T>>());
  else
    fn(std::integral_constant<int, 1>());
}

}  // namespace lowland::cuda

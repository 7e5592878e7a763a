// Element types. bf16 is storage only: kernels convert to float, compute and sum there, and round once. From q4_0 on,
// the numbers of frozen weights in blocks: kernels/common/blocks.h.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/common/hd.h"

namespace lowland {

// clang-format off
enum class DType : uint8_t { f32, f64, bf16, i32, i64,
                             q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k, int8, nf4, nf4_nested };
// clang-format on

LL_HD LL_INLINE constexpr bool is_blocks(DType dtype) { return dtype >= DType::q4_0; }
size_t size_of(DType dtype);  // bytes of an element; 0 for blocks
const char* name_of(DType dtype);

// Trivial, so that it may stand in a GPU's shared memory: bf16 x; has no value, bf16{} is 0.
struct bf16 {
  uint16_t bits;
  bf16() = default;
  // Rounds to nearest, ties to even; NaN stays NaN.
  LL_HD explicit bf16(float x) {
#if defined(__CUDA_ARCH__)
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
#else
    uint32_t u;
    std::memcpy(&u, &x, sizeof u);
    if ((u & 0x7fffffffu) > 0x7f800000u) {
      bits = static_cast<uint16_t>((u >> 16) | 0x40u);
    } else {
      bits = static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    }
#endif
  }
  LL_HD explicit operator float() const {
    const uint32_t u = static_cast<uint32_t>(bits) << 16;
#if defined(__CUDA_ARCH__)
    return __uint_as_float(u);
#else
    float x;
    std::memcpy(&x, &u, sizeof x);
    return x;
#endif
  }
};

template <class T> struct DTypeOf;
template <> struct DTypeOf<float> { static constexpr DType value = DType::f32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::f64; };
template <> struct DTypeOf<bf16> { static constexpr DType value = DType::bf16; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::i32; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::i64; };
template <class T> inline constexpr DType dtype_of = DTypeOf<T>::value;

// What a kernel over T accumulates in, and keeps statistics and gradients of trained numbers in: f32 for bf16, else T.
template <class T> struct AccOf { using type = T; };
template <> struct AccOf<bf16> { using type = float; };
template <class T> using acc_t = typename AccOf<T>::type;
inline DType acc_of(DType dtype) { return dtype == DType::bf16 ? DType::f32 : dtype; }

}  // namespace lowland

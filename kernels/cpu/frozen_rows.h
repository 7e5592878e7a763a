// Rows of a frozen weight as T, a piece at a time: what the product with it and the lookup in it share.
#pragma once
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "kernels/common/decode_blocks.h"
#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {

// Values [begin, begin + count) of a row, as the format's decoder gives them.
template <class Format>
LL_INLINE void decode_fast(Format, float* out, const uint8_t* row, int64_t columns, int64_t begin, int64_t count) {
  Format::decode(out, row, columns, begin, count);
}

#if defined(__AVX2__)
// Sixteen codes of 8 bytes, in the order of the values.
LL_INLINE __m128i nibbles_of(const uint8_t* q) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(q)), low = _mm_set1_epi8(15);
  return _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi16(bytes, 4), low), _mm_and_si128(bytes, low));
}

// The decoder's loop over codes asks for a gather; here the sixteen values stand in registers.
template <DType Type>
LL_INLINE void decode_fast(Nf4Rows<Type>, float* out, const uint8_t* row, int64_t columns, int64_t begin,
                           int64_t count) {
  const uint8_t* q = row + row_head_bytes(Type, columns) + begin / 2;
#if defined(__AVX512F__)
  const __m512 table = _mm512_loadu_ps(kNf4);
#else
  const __m256 lower = _mm256_loadu_ps(kNf4), upper = _mm256_loadu_ps(kNf4 + 8);
#endif
  for (int64_t i = 0; i < count; i += 64) {
    const float scale = nf4_scale<Type>(row, columns, (begin + i) / 64);
    for (int k = 0; k < 64; k += 16, q += 8) {
      const __m128i codes = nibbles_of(q);
#if defined(__AVX512F__)
      // the forms with a mask: g++ 12 warns of the others' undefined operand
      const __m512 w = _mm512_maskz_permutexvar_ps(0xffff, _mm512_maskz_cvtepu8_epi32(0xffff, codes), table);
      _mm512_storeu_ps(out + i + k, _mm512_mul_ps(w, _mm512_set1_ps(scale)));
#else
      for (int half = 0; half < 2; ++half) {
        const __m256i index = _mm256_cvtepu8_epi32(half == 0 ? codes : _mm_srli_si128(codes, 8));
        const __m256 is_upper = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));  // bit 3 to the sign
        const __m256 w =
            _mm256_blendv_ps(_mm256_permutevar8x32_ps(lower, index), _mm256_permutevar8x32_ps(upper, index), is_upper);
        _mm256_storeu_ps(out + i + k + 8 * half, _mm256_mul_ps(w, _mm256_set1_ps(scale)));
      }
#endif
    }
  }
}
#endif

#if defined(__AVX2__)
// Sixteen signed bytes as d q + m; a fused multiply-add rounds as the sum does, for d q is exact.
LL_INLINE void store_codes(float* out, __m128i q, float d, float m) {
  for (int half = 0; half < 2; ++half) {
    const __m256 wide = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(half == 0 ? q : _mm_srli_si128(q, 8)));
    const __m256 w = _mm256_mul_ps(wide, _mm256_set1_ps(d));
    _mm256_storeu_ps(out + 8 * half, _mm256_add_ps(w, _mm256_set1_ps(m)));
  }
}

// The compilers' own code for the nibbles of a block goes by single bytes.
template <class Format> LL_INLINE void decode_nibbles(float* out, const uint8_t* row, int64_t begin, int64_t count) {
  constexpr bool kMinimum = Format::kType == DType::q4_1;
  const uint8_t* p = row + begin / 32 * Format::kBytes;
  const __m128i low = _mm_set1_epi8(15);
  for (int64_t i = 0; i < count; i += 32, p += Format::kBytes) {
    // w = d (q - 8) = d q - 8 d, where all three are exact
    const float d = half_at(p), m = kMinimum ? half_at(p + 2) : -8 * d;
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + (kMinimum ? 4 : 2)));
    store_codes(out + i, _mm_and_si128(bytes, low), d, m);
    store_codes(out + i + 16, _mm_and_si128(_mm_srli_epi16(bytes, 4), low), d, m);
  }
}
LL_INLINE void decode_fast(Q4_0, float* out, const uint8_t* row, int64_t, int64_t begin, int64_t count) {
  decode_nibbles<Q4_0>(out, row, begin, count);
}
LL_INLINE void decode_fast(Q4_1, float* out, const uint8_t* row, int64_t, int64_t begin, int64_t count) {
  decode_nibbles<Q4_1>(out, row, begin, count);
}
#endif

// A matrix in bf16, rows `ld` apart.
struct NarrowRows {
  const bf16* first;
  int64_t ld;
  // Columns [c0, c0 + n) of row r.
  template <class T> LL_INLINE void read(T* to, int64_t r, int64_t c0, int64_t n) const {
    const bf16* in = first + r * ld + c0;
#pragma omp simd
    for (int64_t c = 0; c < n; ++c) {
      if constexpr (std::is_same_v<T, bf16>) {
        to[c] = in[c];
      } else {
        to[c] = static_cast<T>(wide(in[c]));
      }
    }
  }
};

// A matrix in blocks: c0 and n are multiples of block_values.
template <class Format> struct BlockRows {
  const uint8_t* first;
  int64_t columns, stride;
  BlockRows(const void* B, int64_t width)
      : first(static_cast<const uint8_t*>(B)), columns(width), stride(row_bytes(Format::kType, width)) {}
  template <class T> LL_INLINE void read(T* to, int64_t r, int64_t c0, int64_t n) const {
    if constexpr (std::is_same_v<T, float>) {
      decode_fast(Format{}, to, first + r * stride, columns, c0, n);
    } else {
      constexpr int64_t kPart = 256;
      float part[kPart];
      for (int64_t c = 0; c < n; c += kPart) {
        const int64_t count = n - c < kPart ? n - c : kPart;
        decode_fast(Format{}, part, first + r * stride, columns, c0 + c, count);
        for (int64_t i = 0; i < count; ++i) to[c + i] = narrow<T>(static_cast<acc_t<T>>(part[i]));
      }
    }
  }
};

// f(rows) for the matrix at B of this type, whose stored rows are `ld` wide.
template <class F> LL_INLINE void with_frozen_rows(const void* B, DType type, int64_t ld, const F& f) {
  if (type == DType::bf16) return f(NarrowRows{static_cast<const bf16*>(B), ld});
  with_format(type, [&](auto format) { f(BlockRows<decltype(format)>(B, ld)); });
}

}  // namespace lowland::LL_CPU

// Dot products of a few rows with a row of a weight in blocks, decoded in registers: what a decoder does for each new
// token. Where w = d q + m over 32 values, sum w x = d sum q x + m sum x: a number costs its code's way to a float and
// one multiplication. Sums in f32, a vector of them for a row.
#pragma once
#include "kernels/cpu/frozen_rows.h"
#include "kernels/cpu/row_dots.h"

#if defined(__AVX2__)
namespace lowland::LL_CPU {

inline constexpr int kCoded = 32;  // values of a part
inline constexpr int kHalfVectors = 16 / kLanes<float>;
using Floats = Lanes<float, kLanes<float>>;

// Sixteen numbers.
struct Sixteen {
  Floats v[kHalfVectors];
};

// 32 values of a row: codes[h] scale[h] + minimum. With one scale both are the same.
struct CodedPart {
  Sixteen codes[2];
  float scale[2] = {1, 1};
  float minimum = 0;
};

LL_INLINE Sixteen widened(__m128i signed_bytes) {
#if defined(__AVX512F__)
  // the forms with a mask: g++ 12 warns of the others' undefined operand
  return {{_mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepi8_epi32(0xffff, signed_bytes))}};
#else
  return {{_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(signed_bytes)),
           _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(signed_bytes, 8)))}};
#endif
}

// kNf4[code] of sixteen codes.
LL_INLINE Sixteen nf4_values(__m128i codes) {
#if defined(__AVX512F__)
  return {{_mm512_maskz_permutexvar_ps(0xffff, _mm512_maskz_cvtepu8_epi32(0xffff, codes), _mm512_loadu_ps(kNf4))}};
#else
  Sixteen out;
  const __m256 lower = _mm256_loadu_ps(kNf4), upper = _mm256_loadu_ps(kNf4 + 8);
  for (int half = 0; half < 2; ++half) {
    const __m256i index = _mm256_cvtepu8_epi32(half == 0 ? codes : _mm_srli_si128(codes, 8));
    const __m256 is_upper = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));  // bit 3 to the sign
    out.v[half] =
        _mm256_blendv_ps(_mm256_permutevar8x32_ps(lower, index), _mm256_permutevar8x32_ps(upper, index), is_upper);
  }
  return out;
#endif
}

LL_INLINE float fast_half(const uint8_t* p) {
  uint16_t h;
  __builtin_memcpy(&h, p, sizeof h);
  return _cvtsh_ss(h);
}
LL_INLINE __m128i bytes_at(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
LL_INLINE __m128i low_nibbles(__m128i q) { return _mm_and_si128(q, _mm_set1_epi8(15)); }
LL_INLINE __m128i high_nibbles(__m128i q) { return low_nibbles(_mm_srli_epi16(q, 4)); }
LL_INLINE __m128i less(__m128i q, int by) { return _mm_sub_epi8(q, _mm_set1_epi8(static_cast<char>(by))); }
// 16 in each byte whose bit of the sixteen at p is set.
LL_INLINE __m128i fifth_bits(const uint8_t* p) {
  const __m128i spread = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const __m128i bit = _mm_set1_epi64x(static_cast<int64_t>(0x8040201008040201u));
  const __m128i both = _mm_shuffle_epi8(_mm_cvtsi32_si128(p[0] | p[1] << 8), spread);
  return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(both, bit), bit), _mm_set1_epi8(16));
}

LL_INLINE CodedPart coded(__m128i first, __m128i second, float scale, float minimum = 0) {
  return {{widened(first), widened(second)}, {scale, scale}, minimum};
}

// --- the k-th 32 values of a row

template <class Format>
inline constexpr bool kHasMinimum = Format::kType == DType::q4_1 || Format::kType == DType::q5_1 ||
                                    Format::kType == DType::q4_k || Format::kType == DType::q5_k;

LL_INLINE CodedPart part_of(Q4_0, const uint8_t* row, int64_t, int64_t k) {
  const uint8_t* p = row + k * Q4_0::kBytes;
  const __m128i q = bytes_at(p + 2);
  return coded(less(low_nibbles(q), 8), less(high_nibbles(q), 8), fast_half(p));
}
LL_INLINE CodedPart part_of(Q4_1, const uint8_t* row, int64_t, int64_t k) {
  const uint8_t* p = row + k * Q4_1::kBytes;
  const __m128i q = bytes_at(p + 4);
  return coded(low_nibbles(q), high_nibbles(q), fast_half(p), fast_half(p + 2));
}
LL_INLINE CodedPart part_of(Q5_0, const uint8_t* row, int64_t, int64_t k) {
  const uint8_t* p = row + k * Q5_0::kBytes;
  const __m128i q = bytes_at(p + 6);
  return coded(less(_mm_or_si128(low_nibbles(q), fifth_bits(p + 2)), 16),
               less(_mm_or_si128(high_nibbles(q), fifth_bits(p + 4)), 16), fast_half(p));
}
LL_INLINE CodedPart part_of(Q5_1, const uint8_t* row, int64_t, int64_t k) {
  const uint8_t* p = row + k * Q5_1::kBytes;
  const __m128i q = bytes_at(p + 8);
  return coded(_mm_or_si128(low_nibbles(q), fifth_bits(p + 4)), _mm_or_si128(high_nibbles(q), fifth_bits(p + 6)),
               fast_half(p), fast_half(p + 2));
}
LL_INLINE CodedPart part_of(Q8_0, const uint8_t* row, int64_t, int64_t k) {
  const uint8_t* p = row + k * Q8_0::kBytes;
  return coded(bytes_at(p + 2), bytes_at(p + 18), fast_half(p));
}
LL_INLINE CodedPart part_of(Q4K, const uint8_t* row, int64_t, int64_t k) {
  const uint8_t* p = row + k / 8 * Q4K::kBytes;
  const int part = static_cast<int>(k % 8);
  float scale, minimum;
  six_bits(p + 4, part, scale, minimum);
  const __m128i q = bytes_at(p + 16 + part / 2 * 32), r = bytes_at(p + 32 + part / 2 * 32);
  const float d = fast_half(p) * scale, m = -fast_half(p + 2) * minimum;
  return part % 2 == 0 ? coded(low_nibbles(q), low_nibbles(r), d, m) : coded(high_nibbles(q), high_nibbles(r), d, m);
}
LL_INLINE CodedPart part_of(Q5K, const uint8_t* row, int64_t, int64_t k) {
  const uint8_t* p = row + k / 8 * Q5K::kBytes;
  const int part = static_cast<int>(k % 8);
  float scale, minimum;
  six_bits(p + 4, part, scale, minimum);
  const __m128i one = _mm_set1_epi8(static_cast<char>(1 << part)), fifth = _mm_set1_epi8(16);
  const auto with = [&](__m128i q, const uint8_t* high) {
    const __m128i nibbles = part % 2 == 0 ? low_nibbles(q) : high_nibbles(q);
    const __m128i set = _mm_cmpeq_epi8(_mm_and_si128(bytes_at(high), one), one);
    return _mm_or_si128(nibbles, _mm_and_si128(set, fifth));
  };
  const uint8_t* q = p + 48 + part / 2 * 32;
  return coded(with(bytes_at(q), p + 16), with(bytes_at(q + 16), p + 32), fast_half(p) * scale,
               -fast_half(p + 2) * minimum);
}
LL_INLINE CodedPart part_of(Q6K, const uint8_t* row, int64_t, int64_t k) {
  const uint8_t* p = row + k / 8 * Q6K::kBytes;
  const int part = static_cast<int>(k % 8), in_half = part % 4;
  const uint8_t *low = p + 64 * (part / 4) + 32 * (in_half % 2), *high = p + 128 + 32 * (part / 4);
  const __m128i shift = _mm_cvtsi32_si128(2 * in_half), two = _mm_set1_epi8(3);
  const float d = fast_half(p + 208);
  CodedPart out;
  for (int h = 0; h < 2; ++h) {
    const __m128i q = bytes_at(low + 16 * h), nibbles = in_half < 2 ? low_nibbles(q) : high_nibbles(q);
    const __m128i above = _mm_and_si128(_mm_srl_epi16(bytes_at(high + 16 * h), shift), two);
    out.codes[h] = widened(less(_mm_or_si128(nibbles, _mm_slli_epi16(above, 4)), 32));
    out.scale[h] = d * static_cast<float>(static_cast<int8_t>(p[192 + 2 * part + h]));
  }
  return out;
}
LL_INLINE CodedPart part_of(Int8, const uint8_t* row, int64_t, int64_t k) {
  const uint8_t* q = row + 4 + kCoded * k;
  return coded(bytes_at(q), bytes_at(q + 16), float_at(row) * 7.874015718698502e-3f);
}
template <DType Type> LL_INLINE CodedPart part_of(Nf4Rows<Type>, const uint8_t* row, int64_t columns, int64_t k) {
  const uint8_t* q = row + row_head_bytes(Type, columns) + k * (kCoded / 2);
  const float scale = nf4_scale<Type>(row, columns, k / 2);
  return {{nf4_values(nibbles_of(q)), nf4_values(nibbles_of(q + 8))}, {scale, scale}, 0};
}

// --- products

template <int W> LL_INLINE float sum_of_lanes(const Lanes<float, W>& v) {
  if constexpr (W > 4) {
    return sum_of_lanes<W / 2>(fold<float, W>(v));
  } else {
    return (v[0] + v[1]) + (v[2] + v[3]);
  }
}

// out_m = a_m . row for M rows of A, `lda` apart, and one of the weight, which has K values.
template <class Format, int M>
LL_INLINE void block_dots(float* out, const float* a, int64_t lda, const uint8_t* row, int64_t K) {
  constexpr int W = kLanes<float>;
  Floats sums[M] = {};
  for (int64_t k = 0; k < K / kCoded; ++k) {
    const CodedPart part = part_of(Format{}, row, K, k);
    for (int m = 0; m < M; ++m) {
      const float* x = a + m * lda + k * kCoded;
      Floats products[2] = {}, all = {};
      for (int h = 0; h < 2; ++h)
        for (int i = 0; i < kHalfVectors; ++i) {
          const Floats xs = load_as<W, float>(x + 16 * h + W * i);
          products[h] += part.codes[h].v[i] * xs;
          if constexpr (kHasMinimum<Format>) all += xs;
        }
      if constexpr (Format::kType == DType::q6_k) {
        sums[m] += products[0] * part.scale[0] + products[1] * part.scale[1];
      } else {
        sums[m] += (products[0] + products[1]) * part.scale[0];
      }
      if constexpr (kHasMinimum<Format>) sums[m] += all * part.minimum;
    }
  }
  for (int m = 0; m < M; ++m) out[m] = sum_of_lanes<W>(sums[m]);
  if constexpr (Format::kType == DType::int8) {  // others have whole parts
    for (int64_t k = K / kCoded * kCoded; k < K; ++k) {
      float w;
      Int8::decode(&w, row, K, k, 1);
      for (int m = 0; m < M; ++m) out[m] += a[m * lda + k] * w;
    }
  }
}

// C (M, N) = alpha A B^T + beta C, M at most kFewRows.
template <class Format>
LL_INLINE void block_products(Ctx& ctx, float* C, const float* A, const uint8_t* B, const MatmulShape& s, float alpha,
                              float beta) {
  constexpr int64_t kWorth = 1 << 16;  // numbers of the weight worth a thread
  const int64_t stride = row_bytes(Format::kType, s.K);
  const auto rows = [&](auto count, int64_t begin, int64_t end) {
    constexpr int M = decltype(count)::value;
    for (int64_t n = begin; n < end; ++n) {
      float sums[M];
      block_dots<Format, M>(sums, A, s.lda, B + n * stride, s.K);
      for (int m = 0; m < M; ++m) {
        float* c = C + m * s.ldc + n;
        *c = beta == 0 ? alpha * sums[m] : alpha * sums[m] + beta * *c;
      }
    }
  };
  parallel_for(ctx, s.N, kWorth / (s.K + 1) + 1, [&](int64_t begin, int64_t end) {
    switch (s.M) {
      case 1: return rows(std::integral_constant<int, 1>(), begin, end);
      case 2: return rows(std::integral_constant<int, 2>(), begin, end);
      case 3: return rows(std::integral_constant<int, 3>(), begin, end);
      default: return rows(std::integral_constant<int, 4>(), begin, end);
    }
  });
}

}  // namespace lowland::LL_CPU
#endif

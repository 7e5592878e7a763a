// Decoders of the formats in blocks.h. Each is a struct with kType and decode(out, row, columns, begin, count): values
// [begin, begin + count) of a row in f32, both multiples of block_values. Loops have constant lengths and no branches,
// so that compilers turn them into vector code.
#pragma once
#include "kernels/common/blocks.h"
#include "kernels/common/half.h"

namespace lowland::LL_HD_NAMESPACE {

LL_HD LL_INLINE float half_at(const uint8_t* p) { return half_to_float(static_cast<uint16_t>(p[0] | p[1] << 8)); }
LL_HD LL_INLINE uint32_t word_at(const uint8_t* p) {
  return p[0] | static_cast<uint32_t>(p[1]) << 8 | static_cast<uint32_t>(p[2]) << 16 |
         static_cast<uint32_t>(p[3]) << 24;
}
LL_HD LL_INLINE float float_at(const uint8_t* p) { return __builtin_bit_cast(float, word_at(p)); }

// a b, which no compiler may fuse with a following sum.
LL_HD LL_INLINE float rounded_product(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  float p = a * b;
#if defined(__x86_64__)
  asm("" : "+x"(p));
#endif
  return p;
#endif
}

// ggml's formats: Format::block(out, block) decodes one block.
template <class Format, DType Type, int64_t Bytes> struct BlockStream {
  static constexpr DType kType = Type;
  static constexpr int64_t kValues = block_values(Type), kBytes = Bytes;
  LL_HD LL_INLINE static void decode(float* out, const uint8_t* row, int64_t /*columns*/, int64_t begin,
                                     int64_t count) {
    const uint8_t* p = row + begin / kValues * kBytes;
    for (int64_t i = 0; i < count; i += kValues, p += kBytes) Format::block(out + i, p);
  }
};

struct Q4_0 : BlockStream<Q4_0, DType::q4_0, 18> {
  LL_HD LL_INLINE static void block(float* out, const uint8_t* p) {
    const float d = half_at(p);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>((p[2 + i] & 15) - 8);
      out[i + 16] = d * static_cast<float>((p[2 + i] >> 4) - 8);
    }
  }
};

struct Q4_1 : BlockStream<Q4_1, DType::q4_1, 20> {
  LL_HD LL_INLINE static void block(float* out, const uint8_t* p) {
    const float d = half_at(p), m = half_at(p + 2);
    for (int i = 0; i < 16; ++i) {  // d q has 15 bits: a fused multiply-add rounds as the sum does
      out[i] = d * static_cast<float>(p[4 + i] & 15) + m;
      out[i + 16] = d * static_cast<float>(p[4 + i] >> 4) + m;
    }
  }
};

struct Q5_0 : BlockStream<Q5_0, DType::q5_0, 22> {
  LL_HD LL_INLINE static void block(float* out, const uint8_t* p) {
    const float d = half_at(p);
    const uint32_t high = word_at(p + 2);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(static_cast<int>((p[6 + i] & 15) | (high >> i & 1) << 4) - 16);
      out[i + 16] = d * static_cast<float>(static_cast<int>((p[6 + i] >> 4) | (high >> (i + 16) & 1) << 4) - 16);
    }
  }
};

struct Q5_1 : BlockStream<Q5_1, DType::q5_1, 24> {
  LL_HD LL_INLINE static void block(float* out, const uint8_t* p) {
    const float d = half_at(p), m = half_at(p + 2);
    const uint32_t high = word_at(p + 4);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(static_cast<int>((p[8 + i] & 15) | (high >> i & 1) << 4)) + m;
      out[i + 16] = d * static_cast<float>(static_cast<int>((p[8 + i] >> 4) | (high >> (i + 16) & 1) << 4)) + m;
    }
  }
};

struct Q8_0 : BlockStream<Q8_0, DType::q8_0, 34> {
  LL_HD LL_INLINE static void block(float* out, const uint8_t* p) {
    const float d = half_at(p);
    for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(p[2 + i]));
  }
};

// Scale and minimum of the k-th 32 values of a block of q4_k or q5_k, six bits each in twelve bytes.
LL_HD LL_INLINE void six_bits(const uint8_t* s, int k, float& scale, float& minimum) {
  const int a = k < 4 ? s[k] & 63 : (s[k + 4] & 15) | (s[k - 4] >> 6) << 4;
  const int b = k < 4 ? s[k + 4] & 63 : s[k + 4] >> 4 | (s[k] >> 6) << 4;
  scale = static_cast<float>(a);
  minimum = static_cast<float>(b);
}

// 256 values: d, dmin, 12 bytes of scales, 128 bytes. Each 64 values are the low, then the high nibbles of 32 bytes;
// w = d scale q - dmin minimum, where both products are exact.
struct Q4K : BlockStream<Q4K, DType::q4_k, 144> {
  LL_HD LL_INLINE static void block(float* out, const uint8_t* p) {
    const float d = half_at(p), dmin = half_at(p + 2);
    for (int k = 0; k < 8; k += 2) {
      float s0, s1, m0, m1;
      six_bits(p + 4, k, s0, m0);
      six_bits(p + 4, k + 1, s1, m1);
      const float d0 = d * s0, d1 = d * s1, n0 = dmin * m0, n1 = dmin * m1;
      const uint8_t* q = p + 16 + k * 16;
      for (int i = 0; i < 32; ++i) {
        out[32 * k + i] = d0 * static_cast<float>(q[i] & 15) - n0;
        out[32 * k + 32 + i] = d1 * static_cast<float>(q[i] >> 4) - n1;
      }
    }
  }
};

// As q4_k, with bit k of byte i of 32 more bytes the fifth of value i of the k-th 32.
struct Q5K : BlockStream<Q5K, DType::q5_k, 176> {
  LL_HD LL_INLINE static void block(float* out, const uint8_t* p) {
    const float d = half_at(p), dmin = half_at(p + 2);
    const uint8_t* high = p + 16;
    for (int k = 0; k < 8; k += 2) {
      float s0, s1, m0, m1;
      six_bits(p + 4, k, s0, m0);
      six_bits(p + 4, k + 1, s1, m1);
      const float d0 = d * s0, d1 = d * s1, n0 = dmin * m0, n1 = dmin * m1;
      const uint8_t* q = p + 48 + k * 16;
      for (int i = 0; i < 32; ++i) {
        out[32 * k + i] = d0 * static_cast<float>((q[i] & 15) | (high[i] >> k & 1) << 4) - n0;
        out[32 * k + 32 + i] = d1 * static_cast<float>(q[i] >> 4 | (high[i] >> (k + 1) & 1) << 4) - n1;
      }
    }
  }
};

// 128 bytes of low nibbles, 64 of two more bits, 16 signed scales (one for 16 values), d; w = d scale (q - 32).
struct Q6K : BlockStream<Q6K, DType::q6_k, 210> {
  LL_HD LL_INLINE static void block(float* out, const uint8_t* p) {
    const float d = half_at(p + 208);
    for (int h = 0; h < 2; ++h) {
      const uint8_t *low = p + 64 * h, *high = p + 128 + 32 * h;
      for (int k = 0; k < 4; ++k) {  // 32 values each
        float s[2];
        for (int i = 0; i < 2; ++i) s[i] = d * static_cast<float>(static_cast<int8_t>(p[192 + 8 * h + 2 * k + i]));
        for (int i = 0; i < 32; ++i) {
          const int nibble = low[32 * (k & 1) + i] >> (k < 2 ? 0 : 4) & 15;
          out[128 * h + 32 * k + i] = s[i / 16] * static_cast<float>((nibble | (high[i] >> 2 * k & 3) << 4) - 32);
        }
      }
    }
  }
};

struct Int8 {
  static constexpr DType kType = DType::int8;
  LL_HD LL_INLINE static void decode(float* out, const uint8_t* row, int64_t /*columns*/, int64_t begin,
                                     int64_t count) {
    const float scale = float_at(row);
    const uint8_t* q = row + 4 + begin;
    for (int64_t i = 0; i < count; ++i)
      out[i] = static_cast<float>(static_cast<int8_t>(q[i])) * scale * 7.874015718698502e-3f;
  }
};

// Scale of block b of a row of nf4 or nf4_nested.
template <DType Type> LL_HD LL_INLINE float nf4_scale(const uint8_t* row, int64_t columns, int64_t b) {
  if constexpr (Type == DType::nf4) return float_at(row + 4 * b);
  const uint8_t* codes = row + 8 + nested_outer_scales(columns) * 4;
  const float outer = float_at(row + 8 + (word_at(row + 4) + b) / 256 * 4);
  return rounded_product(kDynamic[codes[b]], outer) + float_at(row);
}

template <DType Type> struct Nf4Rows {
  static constexpr DType kType = Type;
  LL_HD LL_INLINE static void decode(float* out, const uint8_t* row, int64_t columns, int64_t begin, int64_t count) {
    const uint8_t* q = row + row_head_bytes(Type, columns) + begin / 2;
    for (int64_t i = 0; i < count; i += 64, q += 32) {
      const float scale = nf4_scale<Type>(row, columns, (begin + i) / 64);
      for (int k = 0; k < 32; ++k) {
        out[i + 2 * k] = kNf4[q[k] >> 4] * scale;
        out[i + 2 * k + 1] = kNf4[q[k] & 15] * scale;
      }
    }
  }
};
using Nf4 = Nf4Rows<DType::nf4>;
using Nf4Nested = Nf4Rows<DType::nf4_nested>;

// f(Format{}) for the format of `type`.
template <class F> LL_INLINE void with_format(BlockType type, const F& f) {
  switch (type) {
    case DType::q4_0: return f(Q4_0{});
    case DType::q4_1: return f(Q4_1{});
    case DType::q5_0: return f(Q5_0{});
    case DType::q5_1: return f(Q5_1{});
    case DType::q8_0: return f(Q8_0{});
    case DType::q4_k: return f(Q4K{});
    case DType::q5_k: return f(Q5K{});
    case DType::q6_k: return f(Q6K{});
    case DType::int8: return f(Int8{});
    case DType::nf4: return f(Nf4{});
    case DType::nf4_nested: return f(Nf4Nested{});
    default: return;
  }
}

}  // namespace lowland::LL_HD_NAMESPACE

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

LL_HD LL_INLINE float nf4_value(int code) {
#if defined(__CUDA_ARCH__)
  static constexpr float kValues[16] = {kNf4[0], kNf4[1], kNf4[2],  kNf4[3],  kNf4[4],  kNf4[5],  kNf4[6],  kNf4[7],
                                        kNf4[8], kNf4[9], kNf4[10], kNf4[11], kNf4[12], kNf4[13], kNf4[14], kNf4[15]};
  return kValues[code];
#else
  return kNf4[code];
#endif
}
LL_HD LL_INLINE float dynamic_value(int code) {
#if defined(__CUDA_ARCH__)
  static constexpr std::array<float, 256> kMap = dynamic_map();
  return kMap[code];
#else
  return kDynamic[code];
#endif
}

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
  LL_HD LL_INLINE static void decode(float* __restrict out, const uint8_t* __restrict row, int64_t /*columns*/,
                                     int64_t begin, int64_t count) {
    const uint8_t* p = row + begin / kValues * kBytes;
    for (int64_t i = 0; i < count; i += kValues, p += kBytes) Format::block(out + i, p);
  }
};

struct Q4_0 : BlockStream<Q4_0, DType::q4_0, 18> {
  LL_HD LL_INLINE static void block(float* __restrict out, const uint8_t* __restrict p) {
    const float d = half_at(p);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>((p[2 + i] & 15) - 8);
      out[i + 16] = d * static_cast<float>((p[2 + i] >> 4) - 8);
    }
  }
};

struct Q4_1 : BlockStream<Q4_1, DType::q4_1, 20> {
  LL_HD LL_INLINE static void block(float* __restrict out, const uint8_t* __restrict p) {
    const float d = half_at(p), m = half_at(p + 2);
    for (int i = 0; i < 16; ++i) {  // d q has 15 bits: a fused multiply-add rounds as the sum does
      out[i] = d * static_cast<float>(p[4 + i] & 15) + m;
      out[i + 16] = d * static_cast<float>(p[4 + i] >> 4) + m;
    }
  }
};

struct Q5_0 : BlockStream<Q5_0, DType::q5_0, 22> {
  LL_HD LL_INLINE static void block(float* __restrict out, const uint8_t* __restrict p) {
    const float d = half_at(p);
    const uint32_t high = word_at(p + 2);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(static_cast<int>((p[6 + i] & 15) | (high >> i & 1) << 4) - 16);
      out[i + 16] = d * static_cast<float>(static_cast<int>((p[6 + i] >> 4) | (high >> (i + 16) & 1) << 4) - 16);
    }
  }
};

struct Q5_1 : BlockStream<Q5_1, DType::q5_1, 24> {
  LL_HD LL_INLINE static void block(float* __restrict out, const uint8_t* __restrict p) {
    const float d = half_at(p), m = half_at(p + 2);
    const uint32_t high = word_at(p + 4);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(static_cast<int>((p[8 + i] & 15) | (high >> i & 1) << 4)) + m;
      out[i + 16] = d * static_cast<float>(static_cast<int>((p[8 + i] >> 4) | (high >> (i + 16) & 1) << 4)) + m;
    }
  }
};

struct Q8_0 : BlockStream<Q8_0, DType::q8_0, 34> {
  LL_HD LL_INLINE static void block(float* __restrict out, const uint8_t* __restrict p) {
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

// Blocks of 256: Format::part(out, block, k) decodes the k-th 32 values.
template <class Format, DType Type, int64_t Bytes> struct LongBlocks : BlockStream<Format, Type, Bytes> {
  LL_HD LL_INLINE static void block(float* __restrict out, const uint8_t* __restrict p) {
    for (int k = 0; k < 8; ++k) Format::part(out + 32 * k, p, k);
  }
};

// d, dmin, 12 bytes of scales, 128 bytes. Each 64 values are the low, then the high nibbles of 32 bytes;
// w = d scale q - dmin minimum, where both products are exact.
struct Q4K : LongBlocks<Q4K, DType::q4_k, 144> {
  LL_HD LL_INLINE static void part(float* __restrict out, const uint8_t* __restrict p, int k) {
    float scale, minimum;
    six_bits(p + 4, k, scale, minimum);
    const float d = half_at(p) * scale, m = half_at(p + 2) * minimum;
    const uint8_t* q = p + 16 + k / 2 * 32;
    const int half = k % 2 * 4;
    for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i] >> half & 15) - m;
  }
};

// As q4_k, with bit k of byte i of 32 more bytes the fifth of value i of the k-th 32.
struct Q5K : LongBlocks<Q5K, DType::q5_k, 176> {
  LL_HD LL_INLINE static void part(float* __restrict out, const uint8_t* __restrict p, int k) {
    float scale, minimum;
    six_bits(p + 4, k, scale, minimum);
    const float d = half_at(p) * scale, m = half_at(p + 2) * minimum;
    const uint8_t *high = p + 16, *q = p + 48 + k / 2 * 32;
    const int half = k % 2 * 4;
    for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>((q[i] >> half & 15) | (high[i] >> k & 1) << 4) - m;
  }
};

// 128 bytes of low nibbles, 64 of two more bits, 16 signed scales (one for 16 values), d; w = d scale (q - 32).
struct Q6K : LongBlocks<Q6K, DType::q6_k, 210> {
  LL_HD LL_INLINE static void part(float* __restrict out, const uint8_t* __restrict p, int k) {
    const float d = half_at(p + 208);
    const int in_half = k % 4;  // of the 128 values that share bytes
    const uint8_t *low = p + 64 * (k / 4) + 32 * (in_half % 2), *high = p + 128 + 32 * (k / 4);
    const int half = in_half / 2 * 4, bits = in_half * 2;
    for (int j = 0; j < 2; ++j) {
      const float s = d * static_cast<float>(static_cast<int8_t>(p[192 + 2 * k + j]));
      for (int i = 16 * j; i < 16 * j + 16; ++i)
        out[i] = s * static_cast<float>(((low[i] >> half & 15) | (high[i] >> bits & 3) << 4) - 32);
    }
  }
};

struct Int8 {
  static constexpr DType kType = DType::int8;
  LL_HD LL_INLINE static void decode(float* __restrict out, const uint8_t* __restrict row, int64_t /*columns*/,
                                     int64_t begin, int64_t count) {
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
  return rounded_product(dynamic_value(codes[b]), outer) + float_at(row);
}

template <DType Type> struct Nf4Rows {
  static constexpr DType kType = Type;
  LL_HD LL_INLINE static void decode(float* __restrict out, const uint8_t* __restrict row, int64_t columns,
                                     int64_t begin, int64_t count) {
    const uint8_t* q = row + row_head_bytes(Type, columns) + begin / 2;
    for (int64_t i = 0; i < count; i += 64, q += 32) {
      const float scale = nf4_scale<Type>(row, columns, (begin + i) / 64);
      for (int k = 0; k < 32; ++k) {
        out[i + 2 * k] = nf4_value(q[k] >> 4) * scale;
        out[i + 2 * k + 1] = nf4_value(q[k] & 15) * scale;
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

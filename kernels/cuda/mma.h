// Tensor cores for a body written over Block (kernels/cuda/block.h): a warp's 16 x 8 x 16 product of bf16 numbers with
// f32 sums, the loads that bring its operands from shared memory, and copies into shared memory that run beside it.
//
//   load_matrices(b, to, from)             ldmatrix.x4: lane l gives the address of row l % 8 of 8 x 8 matrix l / 8; of
//                                          each matrix it gets the numbers at row l / 4, columns 2 (l % 4) and + 1
//   load_matrices_transposed(b, to, from)  the same of the transposed matrices
//   multiply_add(b, c, a, b0, b1)          mma.sync.m16n8k16: c += a b. Lane l, g = l / 4, q = 2 (l % 4), holds
//                                            a[0] (g, q..)       a[1] (g + 8, q..)
//                                            a[2] (g, q + 8..)   a[3] (g + 8, q + 8..)
//                                            b0 (q.., g)     b1 (q + 8.., g)     two numbers each, the lower index low
//                                            c[0], c[1] (g, q..)                 c[2], c[3] (g + 8, q..)
//   AsyncCopies<Block>                     cp.async of 16 bytes, or 16 zeros; commit() closes a group of this thread's
//                                          copies; wait<n>() leaves at most the n newest groups under way
// `to`, `from`, `c`, `a`, `b0`, `b1` map a thread to its operand. The device's form is in kernels/cuda/device_mma.cuh,
// the host's in host_mma.h. Addresses must be 16-byte aligned. A wait() stands in an `each` after the one with its
// copies and commits.
#pragma once
#include "kernels/cuda/block.h"

namespace lowland::cuda {

// A 16 x 16 operand `a`, or two 16 x 8 operands `b` side by side: four pairs of bf16.
struct Pairs {
  uint32_t r[4];
};
// A 16 x 8 tile of sums.
struct Quad {
  float v[4];
};

// Two numbers rounded to bf16, `low` in the low half.
LL_HD inline uint32_t pack_bf16(float low, float high) {
#if defined(__CUDA_ARCH__)
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return uint32_t{bf16(low).bits} | uint32_t{bf16(high).bits} << 16;
#endif
}
LL_HD inline float low_bf16(uint32_t pair) {
  const uint32_t bits = pair << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
LL_HD inline float high_bf16(uint32_t pair) { return low_bf16(pair >> 16); }

// 2^x, to 2 units in the last place; 0 for -infinity.
LL_HD inline float fast_exp2(float x) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return std::exp2(x);
#endif
}

template <class Block> class AsyncCopies;

}  // namespace lowland::cuda

// rope: rotary position embedding of the first heads of packed rows, in place (rotate-half layout).
//   forward    a = position_n f_i      (x_i, x_(i+HD/2)) becomes (x_i cos a - x_(i+HD/2) sin a,
//                                                                 x_(i+HD/2) cos a + x_i sin a),   i < HD / 2
//   backward   the same with -a: a rotation's transpose is its inverse
//   Of each head the first `turned` columns may be meant instead of all HD, and all cosines and sines times `factor`.
//   Scaled variants (linear, llama3, yarn, ...) are other frequencies f; the kernel does not know them. Where they
//   depend on a text's length, f has several rows, and table_n is the one that row n is turned by.
// shapes     x: N rows, `stride` elements apart, heads of HD adjacent columns each from column 0 (q and k of a packed
//            q|k|v); position (N) i32; f: (tables, HD/2) f32, or turned/2; table: (N) i32, or null where f has one row
// writes     x =
// numerics   f32 and below: a is rounded to f32, as where the published models were trained; cos and sin of it in f64
//            (CUDA: in f32, within 2 ulp for any a). double: all in f64, from the same f
// REQUIRES   what is turned of a head even, at most kRopeMaxWidth; stride >= heads * HD
// CUDA plan  a block takes the rows that give each thread four pairs of 16-byte chunks; while they are on their way it
//            computes the cosines and sines of its rows, once for all heads, into shared memory
// paper      Su et al. 2021, arXiv:2104.09864
#pragma once
#include "kernels/common/ctx.h"
#include "kernels/common/hd.h"

namespace lowland {

inline constexpr int64_t kRopeMaxWidth = 1024;

struct RopeShape {
  int64_t N = 0, stride = 0, heads = 0, HD = 0;
  const int32_t* table = nullptr;
  int64_t turned = 0;  // 0: all HD
  double factor = 1;
};

LL_HD LL_INLINE int64_t rope_width(const RopeShape& s) { return s.turned > 0 ? s.turned : s.HD; }

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void rope_forward(Ctx&, T* x, const int32_t* position, const float* f, const RopeShape& shape);
template <class T> void rope_backward(Ctx&, T* dx, const int32_t* position, const float* f, const RopeShape& shape);
)

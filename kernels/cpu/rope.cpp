#include "kernels/rope.h"

#include <cmath>
#include <type_traits>

#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {
namespace {

constexpr int64_t kAngleCost = 32;  // of a cosine and a sine, in elements

template <class T> double angle(int32_t position, float f) {
  if constexpr (std::is_same_v<T, double>) return static_cast<double>(position) * static_cast<double>(f);
  return static_cast<double>(static_cast<float>(position) * f);
}

// direction 1: forward, -1: back.
template <class T>
void rotate(Ctx& ctx, T* x, const int32_t* position, const float* f, const RopeShape& s, double direction) {
  const int64_t half = rope_width(s) / 2;
  parallel_for(ctx, s.N, row_grain(2 * s.heads * half + kAngleCost * half), [&](int64_t begin, int64_t end) {
    using A = acc_t<T>;
    A cosine[kRopeMaxWidth / 2], sine[kRopeMaxWidth / 2];
    for (int64_t n = begin; n < end; ++n) {
      const float* of_row = f + (s.table != nullptr ? s.table[n] * half : 0);
      for (int64_t i = 0; i < half; ++i) {
        const double a = angle<T>(position[n], of_row[i]);
        cosine[i] = static_cast<A>(s.factor * std::cos(a));
        sine[i] = static_cast<A>(direction * s.factor * std::sin(a));
      }
      for (int64_t h = 0; h < s.heads; ++h) {
        T* low = x + n * s.stride + h * s.HD;
        T* high = low + half;
#pragma omp simd
        for (int64_t i = 0; i < half; ++i) {
          const A u = wide(low[i]), v = wide(high[i]);
          low[i] = narrow<T>(u * cosine[i] - v * sine[i]);
          high[i] = narrow<T>(v * cosine[i] + u * sine[i]);
        }
      }
    }
  });
}

}  // namespace

template <class T> void rope_forward(Ctx& ctx, T* x, const int32_t* position, const float* f, const RopeShape& shape) {
  rotate(ctx, x, position, f, shape, 1);
}

template <class T>
void rope_backward(Ctx& ctx, T* dx, const int32_t* position, const float* f, const RopeShape& shape) {
  rotate(ctx, dx, position, f, shape, -1);
}

LL_INSTANTIATE(rope_forward);
LL_INSTANTIATE(rope_backward);

}  // namespace lowland::LL_CPU

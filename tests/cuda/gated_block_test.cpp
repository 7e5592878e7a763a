// The kernels of the gated activations, block by block, against plain loops in double.
#include <doctest/doctest.h>

#include "kernels/cuda/gated_block.h"
#include "kernels/swiglu.h"
#include "tests/cuda/cuda_values.h"
#include "tests/ops/activation_curves.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

struct Oracle {
  Values y, dx;
};

Oracle oracle(const Values& x, const Values& dy, int64_t N, int64_t F) {
  Oracle o{Values(dy.size()), Values(x.size())};
  for (int64_t n = 0; n < N; ++n)
    for (int64_t f = 0; f < F; ++f) {
      const int64_t at = n * F + f, gate = 2 * n * F + f;
      const size_t up = gate + F;
      o.y[at] = kSilu.value(x[gate]) * x[up];
      o.dx[gate] = dy[at] * x[up] * kSilu.slope(x[gate]);
      o.dx[up] = dy[at] * kSilu.value(x[gate]);
    }
  return o;
}

template <int W, class T> std::vector<T> forward(const std::vector<T>& x, int64_t N, int64_t F) {
  std::vector<T> y(N * F, T(99.0f));
  for (int64_t i = 0; i < tile_blocks<W>(N, F); ++i) {
    HostBlock<kTileThreads> b(i);
    gated_forward_tile<W>(b, Silu<DeviceMath<T>>(), y.data(), x.data(), N, F);
  }
  return y;
}

template <int W, class T> void backward(T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  for (int64_t i = 0; i < tile_blocks<W>(N, F); ++i) {
    HostBlock<kTileThreads> b(i);
    gated_backward_tile<W>(b, Silu<DeviceMath<T>>(), dx, dy, x, N, F);
  }
}

template <int W, class T> void check(int64_t N, int64_t F) {
  CAPTURE(N);
  CAPTURE(F);
  const std::vector<T> x = random_typed<T>(2 * N * F, 1, 3.0), dy = random_typed<T>(N * F, 2);
  const Oracle o = oracle(to_double(x), to_double(dy), N, F);
  CHECK(error_of(forward<W>(x, N, F), o.y) <= rounding<T>(64));
  std::vector<T> dx(x.size(), T(99.0f)), in_place = x;
  backward<W>(dx.data(), dy.data(), x.data(), N, F);
  backward<W>(in_place.data(), dy.data(), in_place.data(), N, F);
  CHECK(error_of(dx, o.dx) <= rounding<T>(64));
  CHECK(to_double(dx) == to_double(in_place));
}

template <class T> void check_all() {
  for (const int64_t F : {1, 31, 33, 257}) check<1, T>(9, F);
  for (const int64_t F : {8, 264, 1032}) check<kVector<T>, T>(7, F);
  check<kVector<T>, T>(3, 5632);
  check<kVector<T>, T>(1, 14336);  // Llama-3.1-8B
}

// Gates at infinity close or open; NaN stays NaN.
template <class T> void check_limits() {
  using A = acc_t<T>;
  const A inf = std::numeric_limits<A>::infinity(), nan = std::numeric_limits<A>::quiet_NaN();
  const std::vector<T> x = {T(-inf), T(inf), T(nan), T(A(3)), T(A(3)), T(A(3))}, dy(3, T(A(2)));
  const Values y = to_double(forward<1>(x, 1, 3));
  std::vector<T> gradient(6);
  backward<1>(gradient.data(), dy.data(), x.data(), 1, 3);
  const Values dx = to_double(gradient);
  CHECK(y[0] == 0);
  CHECK(y[1] == kInfinity);
  CHECK(dx[0] == 0);
  CHECK(dx[1] == 6);
  CHECK(dx[3] == 0);
  CHECK(dx[4] == kInfinity);
  for (const double v : {y[2], dx[2], dx[5]}) CHECK(std::isnan(v));
}

}  // namespace

TEST_CASE("cuda gated activations: every block, forward and backward") {
  check_all<float>();
  check_all<double>();
  check_all<bf16>();
}

TEST_CASE("cuda gated activations: limits and NaN") {
  check_limits<float>();
  check_limits<double>();
  check_limits<bf16>();
}

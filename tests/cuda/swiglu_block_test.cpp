// swiglu's kernels, block by block, against plain loops in double.
#include <doctest/doctest.h>

#include "kernels/cuda/swiglu_block.h"
#include "tests/cuda/cuda_values.h"

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
      const auto at = static_cast<size_t>(n * F + f), gate = static_cast<size_t>(2 * n * F + f);
      const size_t up = gate + static_cast<size_t>(F);
      const double g = x[gate], u = x[up], s = 1 / (1 + std::exp(-g));
      o.y[at] = g * s * u;
      o.dx[gate] = dy[at] * u * s * (1 + g * (1 - s));
      o.dx[up] = dy[at] * g * s;
    }
  return o;
}

template <int W, class T> std::vector<T> forward(const std::vector<T>& x, int64_t N, int64_t F) {
  std::vector<T> y(static_cast<size_t>(N * F), T(99.0f));
  for (int64_t i = 0; i < tile_blocks<W>(N, F); ++i) {
    HostBlock<kTileThreads> b(i);
    swiglu_forward_tile<W>(b, y.data(), x.data(), N, F);
  }
  return y;
}

template <int W, class T> void backward(T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  for (int64_t i = 0; i < tile_blocks<W>(N, F); ++i) {
    HostBlock<kTileThreads> b(i);
    swiglu_backward_tile<W>(b, dx, dy, x, N, F);
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
  CHECK(std::fabs(swiglu_slopes<T>(A(2), -inf, A(3)).gate) == A(0));
  CHECK(std::fabs(swiglu_slopes<T>(A(2), -inf, A(3)).up) == A(0));
  CHECK(swiglu_slopes<T>(A(2), inf, A(3)).gate == A(6));
  CHECK(swiglu_slopes<T>(A(2), inf, A(3)).up == inf);
  CHECK(std::isnan(swiglu_slopes<T>(A(2), nan, A(3)).gate));
  CHECK(std::isnan(swiglu_slopes<T>(A(2), nan, A(3)).up));
  const std::vector<T> x = {T(static_cast<float>(-inf)), T(static_cast<float>(inf)), T(2.0f), T(2.0f)};
  const Values y = to_double(forward<1>(x, 1, 2));
  CHECK(std::fabs(y[0]) == 0);
  CHECK(std::isinf(y[1]));
}

}  // namespace

TEST_CASE("cuda swiglu: every block, forward and backward") {
  check_all<float>();
  check_all<double>();
  check_all<bf16>();
}

TEST_CASE("cuda swiglu: limits and NaN") {
  check_limits<float>();
  check_limits<double>();
  check_limits<bf16>();
}

// The kernels of the gated activations, block by block, against kernels/reference.
#include <doctest/doctest.h>

#include "kernels/cuda/gated_block.h"
#include "kernels/geglu.h"
#include "kernels/swiglu.h"
#include "tests/cuda/cuda_values.h"
#include "tests/ops/activation_limits.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

using Formula = Values (*)(const Values& x, int64_t N, int64_t F);
using Gradient = Values (*)(const Values& dy, const Values& x, int64_t N, int64_t F);

template <template <class> class Gate, int W, class T>
std::vector<T> forward(const std::vector<T>& x, int64_t N, int64_t F) {
  std::vector<T> y(N * F, T(99.0f));
  for (int64_t i = 0; i < tile_blocks<W>(N, F); ++i) {
    HostBlock<kTileThreads> b(i);
    gated_forward_tile<W>(b, Gate<DeviceMath<T>>(), y.data(), x.data(), N, F);
  }
  return y;
}

template <template <class> class Gate, int W, class T>
void backward(T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  for (int64_t i = 0; i < tile_blocks<W>(N, F); ++i) {
    HostBlock<kTileThreads> b(i);
    gated_backward_tile<W>(b, Gate<DeviceMath<T>>(), dx, dy, x, N, F);
  }
}

template <template <class> class Gate, int W, class T>
void check(int64_t N, int64_t F, Formula value, Gradient gradient) {
  CAPTURE(N);
  CAPTURE(F);
  const std::vector<T> x = random_typed<T>(2 * N * F, 1, 3.0), dy = random_typed<T>(N * F, 2);
  CHECK(error_of(forward<Gate, W>(x, N, F), value(to_double(x), N, F)) <= rounding<T>(64));
  std::vector<T> dx(x.size(), T(99.0f)), in_place = x;
  backward<Gate, W>(dx.data(), dy.data(), x.data(), N, F);
  backward<Gate, W>(in_place.data(), dy.data(), in_place.data(), N, F);
  CHECK(error_of(dx, gradient(to_double(dy), to_double(x), N, F)) <= rounding<T>(64));
  CHECK(to_double(dx) == to_double(in_place));
}

template <template <class> class Gate, class T> void check_shapes(Formula value, Gradient gradient) {
  for (const int64_t F : {1, 31, 33, 257}) check<Gate, 1, T>(9, F, value, gradient);
  for (const int64_t F : {8, 264, 1032}) check<Gate, kVector<T>, T>(7, F, value, gradient);
  check<Gate, kVector<T>, T>(3, 5632, value, gradient);
  check<Gate, kVector<T>, T>(1, 14336, value, gradient);  // Llama-3.1-8B
}

template <class T> void check_all() {
  check_shapes<Silu, T>(reference::swiglu_forward, reference::swiglu_backward);
  check_shapes<GeluTanh, T>(reference::geglu_forward, reference::geglu_backward);
}

// Gates at infinity close or open; NaN stays NaN.
template <template <class> class Gate, class T> void check_limits_of() {
  using A = acc_t<T>;
  const A inf = std::numeric_limits<A>::infinity(), nan = std::numeric_limits<A>::quiet_NaN();
  const std::vector<T> x = {T(-inf), T(inf), T(nan), T(A(3)), T(A(3)), T(A(3))}, dy(3, T(A(2)));
  const Values y = to_double(forward<Gate, 1>(x, 1, 3));
  std::vector<T> gradient(6);
  backward<Gate, 1>(gradient.data(), dy.data(), x.data(), 1, 3);
  const Values dx = to_double(gradient);
  CHECK(y[0] == 0);
  CHECK(y[1] == kInfinity);
  CHECK(dx[0] == 0);
  CHECK(dx[1] == 6);
  CHECK(dx[3] == 0);
  CHECK(dx[4] == kInfinity);
  for (const double v : {y[2], dx[2], dx[5]}) CHECK(std::isnan(v));
}

template <class T> void check_limits() {
  check_limits_of<Silu, T>();
  check_limits_of<GeluTanh, T>();
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

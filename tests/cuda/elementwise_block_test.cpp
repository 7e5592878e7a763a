// The element-wise kernels, block by block: every element is written once, tails and unaligned arrays included.
#include <doctest/doctest.h>

#include "kernels/cuda/activations.h"
#include "kernels/cuda/elementwise_block.h"
#include "kernels/geglu.h"
#include "kernels/gelu.h"
#include "kernels/quick_gelu.h"
#include "kernels/relu.h"
#include "kernels/soft_cap.h"
#include "kernels/swiglu.h"
#include "kernels/tanh.h"
#include "tests/cuda/cuda_values.h"
#include "tests/ops/activation_limits.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

template <int W, class T, class F, int K> void run(std::vector<T>& y, const F& fn, const Inputs<T, K>& in) {
  const int64_t n = y.size();
  const int64_t blocks = (n + kMapTile<T, W> - 1) / kMapTile<T, W>;
  for (int64_t i = 0; i < blocks; ++i) {
    HostBlock<kMapThreads> b(i, blocks);
    map_tile<W>(b, y.data(), n, fn, in);
  }
}

// In both forms, as a kernel would be given the arrays. reference: of doubles that were rounded to T.
template <class T, class F, class Reference> void check_one(const F& fn, const Reference& reference, double tolerance) {
  for (const int64_t n : {1, 7, 31, 33, 257, 4096, 4097, 12345}) {
    const std::vector<T> a = random_typed<T>(n, 3, 3.0);
    const Values ref = reference(to_double(a));
    std::vector<T> y(a.size(), T(99.0f));
    run<1>(y, fn, Inputs<T, 1>{{a.data()}});
    CHECK(error_of(y, ref) <= tolerance);
    y = a;  // in place
    run<kVector<T>>(y, fn, Inputs<T, 1>{{y.data()}});
    CHECK(error_of(y, ref) <= tolerance);
  }
}

template <class T, class F, class Reference> void check_two(const F& fn, const Reference& reference, double tolerance) {
  for (const int64_t n : {1, 33, 257, 4097, 12345}) {
    const std::vector<T> a = random_typed<T>(n, 4), b = random_typed<T>(n, 5, 3.0);
    const Values ref = reference(to_double(a), to_double(b));
    std::vector<T> y(a.size(), T(99.0f));
    run<1>(y, fn, Inputs<T, 2>{{a.data(), b.data()}});
    CHECK(error_of(y, ref) <= tolerance);
    y = a;
    run<kVector<T>>(y, fn, Inputs<T, 2>{{y.data(), b.data()}});
    CHECK(error_of(y, ref) <= tolerance);
  }
}

// F: the functor of an activation over T.
template <class F, class T> void check_activation(const Curve& curve, double tolerance) {
  check_one<T>(ValueOf<F>{}, curve.forward, tolerance);
  check_two<T>(GradientOf<F>{}, curve.backward, tolerance);
}

template <class T> void check_all(double tolerance) {
  using A = acc_t<T>;
  using M = DeviceMath<T>;
  check_activation<Gelu<M>, T>(kGelu, tolerance);
  check_activation<QuickGelu<M>, T>(kQuickGelu, tolerance);
  check_activation<Silu<M>, T>(kSilu, tolerance);
  check_activation<GeluTanh<M>, T>(kGeluTanh, tolerance);
  check_one<T>(
      SoftCap<M>{A(1.5)}, [](const Values& x) { return reference::soft_cap_forward(x, 1.5); }, tolerance);
  check_two<T>(
      SoftCapGradient<A>{A(1.5)},
      [](const Values& dy, const Values& y) { return reference::soft_cap_backward(dy, y, 1.5); }, tolerance);
  check_one<T>(ValueOf<Relu<M>>{}, reference::relu_forward, tolerance);
  check_two<T>(GradientOf<Relu<M>>{}, reference::relu_backward, tolerance);  // from y
  check_one<T>(ValueOf<Tanh<M>>{}, reference::tanh_forward, tolerance);
  check_two<T>(GradientOf<Tanh<M>>{}, reference::tanh_backward, tolerance);  // from y
  check_two<T>([](A a, A b) { return a + b; }, reference::add, tolerance);
}

template <class F, class A> void check_limits_of(const Curve& curve) {
  const A inf = std::numeric_limits<A>::infinity(), nan = std::numeric_limits<A>::quiet_NaN();
  const ValueOf<F> value;
  const GradientOf<F> gradient;
  CHECK(value(inf) == static_cast<A>(curve.high));
  CHECK(value(-inf) == static_cast<A>(curve.low));
  CHECK(std::isnan(value(nan)));
  CHECK(gradient(A(2), inf) == static_cast<A>(2 * curve.high_slope));
  CHECK(gradient(A(2), -inf) == static_cast<A>(2 * curve.low_slope));
  CHECK(std::isnan(gradient(A(1), nan)));
}

template <class T> void check_limits() {
  using M = DeviceMath<T>;
  check_limits_of<Gelu<M>, acc_t<T>>(kGelu);
  check_limits_of<QuickGelu<M>, acc_t<T>>(kQuickGelu);
  check_limits_of<Silu<M>, acc_t<T>>(kSilu);
  check_limits_of<GeluTanh<M>, acc_t<T>>(kGeluTanh);
}

}  // namespace

TEST_CASE("cuda element-wise kernels: values of every block") {
  check_all<float>(2e-6);
  check_all<double>(1e-14);
  check_all<bf16>(rounding<bf16>(64));
}

TEST_CASE("cuda activations: limits and NaN") {
  check_limits<float>();
  check_limits<double>();
  check_limits<bf16>();
}

TEST_CASE("cuda chunks: bf16 in pairs is bf16 one by one") {
  const std::vector<bf16> x = random_typed<bf16>(8, 1);
  const Chunk<bf16, 8> chunk = load_chunk<8>(x.data());
  std::vector<bf16> y(8);
  store_each<8>(y.data(), [&](int j) { return chunk[j]; });
  for (int j = 0; j < 8; ++j) {
    CHECK(chunk[j] == static_cast<float>(x[j]));
    CHECK(y[j].bits == x[j].bits);
  }
}

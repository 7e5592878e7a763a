// The element-wise kernels, block by block: every element is written once, tails and unaligned arrays included.
#include <doctest/doctest.h>

#include "kernels/cuda/activations.h"
#include "kernels/cuda/elementwise_block.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

template <int W, class T, class F, int K> void run(std::vector<T>& y, const F& fn, const Inputs<T, K>& in) {
  const auto n = static_cast<int64_t>(y.size());
  const int64_t blocks = (n + kMapTile<T, W> - 1) / kMapTile<T, W>;
  for (int64_t i = 0; i < blocks; ++i) {
    HostBlock<kMapThreads> b(i, blocks);
    map_tile<W>(b, y.data(), n, fn, in);
  }
}

// In both forms, as a kernel would be given the arrays. oracle: of doubles that were rounded to T.
template <class T, class F, class Oracle> void check_one(const F& fn, const Oracle& oracle, double tolerance) {
  for (const int64_t n : {1, 7, 31, 33, 257, 4096, 4097, 12345}) {
    const std::vector<T> a = random_typed<T>(n, 3, 3.0);
    Values ref = to_double(a);
    for (double& v : ref) v = oracle(v);
    std::vector<T> y(a.size(), T(99.0f));
    run<1>(y, fn, Inputs<T, 1>{{a.data()}});
    CHECK(error_of(y, ref) <= tolerance);
    y = a;  // in place
    run<kVector<T>>(y, fn, Inputs<T, 1>{{y.data()}});
    CHECK(error_of(y, ref) <= tolerance);
  }
}

template <class T, class F, class Oracle> void check_two(const F& fn, const Oracle& oracle, double tolerance) {
  for (const int64_t n : {1, 33, 257, 4097, 12345}) {
    const std::vector<T> a = random_typed<T>(n, 4), b = random_typed<T>(n, 5, 3.0);
    const Values da = to_double(a), db = to_double(b);
    Values ref(a.size());
    for (size_t i = 0; i < ref.size(); ++i) ref[i] = oracle(da[i], db[i]);
    std::vector<T> y(a.size(), T(99.0f));
    run<1>(y, fn, Inputs<T, 2>{{a.data(), b.data()}});
    CHECK(error_of(y, ref) <= tolerance);
    y = a;
    run<kVector<T>>(y, fn, Inputs<T, 2>{{y.data(), b.data()}});
    CHECK(error_of(y, ref) <= tolerance);
  }
}

double gelu(double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double gelu_slope(double dy, double x) {
  return dy * (0.5 * std::erfc(-x / std::sqrt(2.0)) + x * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0)));
}
double swish(double x, double alpha) { return x / (1 + std::exp(-alpha * x)); }
double swish_slope(double dy, double x, double alpha) {
  const double s = 1 / (1 + std::exp(-alpha * x));
  return dy * s * (1 + alpha * x * (1 - s));
}

template <class T> void check_all(double tolerance) {
  using A = acc_t<T>;
  check_one<T>(Gelu<T>{}, gelu, tolerance);
  check_two<T>(GeluSlope<T>{}, gelu_slope, tolerance);
  check_one<T>(
      Tanh<T>{}, [](double x) { return std::tanh(x); }, tolerance);
  check_two<T>(
      TanhSlope<T>{}, [](double dy, double y) { return dy * (1 - y * y); }, tolerance);
  for (const double alpha : {1.0, 1.702}) {
    const auto a = static_cast<A>(alpha);
    check_one<T>(
        Swish<T>{a}, [=](double x) { return swish(x, alpha); }, tolerance);
    check_two<T>(
        SwishSlope<T>{a}, [=](double dy, double x) { return swish_slope(dy, x, alpha); }, tolerance);
  }
  check_two<T>([](A a, A b) { return a + b; }, [](double a, double b) { return a + b; }, tolerance);
}

template <class T> void check_limits() {
  using A = acc_t<T>;
  const A inf = std::numeric_limits<A>::infinity(), nan = std::numeric_limits<A>::quiet_NaN();
  CHECK(Gelu<T>{}(inf) == inf);
  CHECK(std::fabs(Gelu<T>{}(-inf)) == A(0));
  CHECK(std::isnan(Gelu<T>{}(nan)));
  CHECK(std::isnan(GeluSlope<T>{}(A(1), nan)));
  CHECK(GeluSlope<T>{}(A(2), inf) == A(2));
  CHECK(std::fabs(GeluSlope<T>{}(A(2), -inf)) == A(0));
  CHECK(Swish<T>{}(inf) == inf);
  CHECK(std::fabs(Swish<T>{}(-inf)) == A(0));
  CHECK(std::isnan(Swish<T>{}(nan)));
  CHECK(SwishSlope<T>{}(A(2), inf) == A(2));
  CHECK(std::fabs(SwishSlope<T>{}(A(2), -inf)) == A(0));
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
    CHECK(chunk[j] == static_cast<float>(x[static_cast<size_t>(j)]));
    CHECK(y[static_cast<size_t>(j)].bits == x[static_cast<size_t>(j)].bits);
  }
}

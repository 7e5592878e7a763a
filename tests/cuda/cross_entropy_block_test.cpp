// The kernels of cross_entropy, linear_cross_entropy and mse, block by block, against plain loops in double.
#include <doctest/doctest.h>

#include "kernels/cuda/cross_entropy_block.h"
#include "kernels/cuda/linear_cross_entropy_block.h"
#include "kernels/cuda/mse_block.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

struct Oracle {
  double loss = 0;
  Values lse, dx;
};

Oracle oracle(const Values& x, const std::vector<int32_t>& target, const CrossEntropyShape& s, double dloss) {
  Oracle o{0, Values(target.size()), Values(x.size())};
  const double e = s.label_smoothing, V = static_cast<double>(s.V);
  for (int64_t n = 0; n < s.N; ++n) {
    const int64_t at = n * s.V;
    const int64_t t = target[n];
    if (t == s.ignore_index) continue;
    double top = x[at], sum = 0, mean = 0;
    for (size_t v = 0; v < static_cast<size_t>(s.V); ++v) top = std::max(top, x[at + v]);
    for (size_t v = 0; v < static_cast<size_t>(s.V); ++v) {
      sum += std::exp(x[at + v] - top);
      mean += x[at + v] / V;
    }
    const double lse = top + std::log(sum);
    o.lse[n] = lse;
    o.loss += s.scale * ((1 - e) * (lse - x[at + t]) + (e > 0 ? e * (lse - mean) : 0.0));
    for (size_t v = 0; v < static_cast<size_t>(s.V); ++v)
      o.dx[at + v] =
          dloss * s.scale * (std::exp(x[at + v] - lse) - (static_cast<int64_t>(v) == t ? 1 - e : 0.0) - e / V);
  }
  return o;
}

template <class T, int kThreads> void check(int64_t N, int64_t V, double smoothing, bool in_place) {
  using A = acc_t<T>;
  CAPTURE(V);
  std::vector<T> x = random_typed<T>(N * V, 1, 4.0);
  std::vector<int32_t> target;
  for (int64_t n = 0; n < N; ++n) target.push_back(n % 3 == 1 ? -100 : static_cast<int32_t>(n * 7919 % V));
  const CrossEntropyShape shape{N, V, -100, smoothing, 0.25};
  const A dloss = A(1.5);
  const Oracle o = oracle(to_double(x), target, shape, 1.5);
  std::vector<A> lse(N, A(99));
  std::vector<double> row_loss(N, 99);
  for (int64_t n = 0; n < N; ++n) {
    HostBlock<kThreads> b(n, N);
    cross_entropy_forward_row(b, CrossEntropyForward<T>{lse.data(), row_loss.data(), x.data(), target.data(), shape});
  }
  A loss = 99;
  HostBlock<1024> one;
  cross_entropy_loss(one, &loss, row_loss.data(), N, shape.scale);
  const Values seen = to_double(x);
  std::vector<T> apart(x.size() + 1, T(99.0f));  // from the second element on: rows stand differently
  T* dx = in_place ? x.data() : apart.data() + 1;
  for (int64_t n = 0; n < N; ++n) {
    HostBlock<kThreads> b(n, N);
    cross_entropy_backward_row(b, CrossEntropyBackward<T>{dx, &dloss, x.data(), target.data(), lse.data(), shape});
  }
  CHECK(std::fabs(static_cast<double>(loss) - o.loss) <= rounding<A>(64) * std::max(1.0, o.loss));
  CHECK(error_of(lse, o.lse) <= rounding<A>(64));
  CHECK(error_of(std::vector<T>(dx, dx + x.size()), o.dx) <= rounding<T>(64));
  if (!in_place) CHECK(to_double(x) == seen);
}

template <class T> void check_widths(bool in_place) {
  for (const double smoothing : {0.0, 0.1}) {
    for (const int64_t V : {1, 2, 3, 31, 33, 257, 1000}) check<T, 128>(7, V, smoothing, in_place);
    check<T, 512>(4, 5003, smoothing, in_place);
    check<T, 512>(2, 50265, smoothing, in_place);
  }
}

}  // namespace

TEST_CASE("cuda cross_entropy: rows of every length and address") {
  for (const bool in_place : {false, true}) {
    check_widths<float>(in_place);
    check_widths<double>(in_place);
    check_widths<bf16>(in_place);
  }
}

TEST_CASE("cuda cross_entropy: logits of minus infinity") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {-kInf, 1.0f, -kInf, 2.0f, -kInf};
  const std::vector<int32_t> target = {3};
  float lse = 0;
  double loss = 0;
  HostBlock<128> b;
  cross_entropy_forward_row(b, CrossEntropyForward<float>{&lse, &loss, x.data(), target.data(), {1, 5, -100, 0, 1}});
  CHECK(std::fabs(loss - std::log1p(std::exp(-1.0))) <= 1e-6);
}

TEST_CASE("cuda mse: loss and gradient") {
  for (const int64_t n : {1, 33, 1500}) {
    const std::vector<bf16> x = random_typed<bf16>(n, 1);
    const std::vector<float> target = random_typed<float>(n, 2);
    const Values dx = to_double(x), dt = to_double(target);
    double want = 0;
    Values gradient;
    for (size_t i = 0; i < dx.size(); ++i) {
      want += 0.5 * (dx[i] - dt[i]) * (dx[i] - dt[i]);
      gradient.push_back(2.0 * 2 * 0.5 * (dx[i] - dt[i]));
    }
    float loss = 0;
    const float dloss = 2;
    HostBlock<1024> one;
    mse_loss(one, &loss, x.data(), target.data(), n, 0.5);
    CHECK(std::fabs(static_cast<double>(loss) - want) <= 1e-6 * std::max(1.0, want));
    std::vector<bf16> out(x.size());
    for (int64_t i = 0; i < (n + 255) / 256; ++i) {
      HostBlock<256> b(i);
      mse_gradient(b, out.data(), &dloss, x.data(), target.data(), n, 0.5);
    }
    CHECK(error_of(out, gradient) <= rounding<bf16>());
  }
}

namespace {

template <int W, class T> void check_scaled(int64_t n) {
  std::vector<T> x = random_typed<T>(n, 1);
  const acc_t<T> dloss = acc_t<T>(0.37);
  Values want = to_double(x);
  for (double& v : want) v *= static_cast<double>(dloss);
  const int64_t blocks = (n + kMapTile<T, W> - 1) / kMapTile<T, W>;
  for (int64_t i = 0; i < blocks; ++i) {
    HostBlock<kMapThreads> b(i, blocks);
    map_tile<W>(b, x.data(), n, TimesNumberAt<acc_t<T>>{&dloss}, Inputs<T, 1>{{x.data()}});  // dx is saved
  }
  CHECK(error_of(x, want) <= rounding<T>(2));
}

}  // namespace

TEST_CASE("cuda linear_cross_entropy: saved times dloss") {
  for (const int64_t n : {1, 31, 33, 257, 4097, 12345}) {
    check_scaled<1, float>(n);
    check_scaled<kVector<float>, float>(n);
    check_scaled<kVector<double>, double>(n);
    check_scaled<kVector<bf16>, bf16>(n);
  }
}

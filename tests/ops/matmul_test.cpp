#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "kernels/matmul.h"
#include "tests/ops/as_activation.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

OpCase case_of(int64_t M, int64_t N, int64_t K, bool ta, bool tb) {
  const MatmulShape shape{ta ? Trans::yes : Trans::no, tb ? Trans::yes : Trans::no, M, N, K, ta ? M : K, tb ? K : N, N};
  const double rms = 1 / std::sqrt(static_cast<double>(K));
  return {.name = fmt::format("{} x {} x {} trans {} {}", M, N, K, ta, tb),
          .inputs = {{ta ? Shape{K, M} : Shape{M, K}, true, rms}, {tb ? Shape{N, K} : Shape{K, N}}},
          .run = [=](const Tensors& in) { return ops::matmul(as_activation(in[0]), as_activation(in[1]), ta, tb); },
          .forward = [=](const Arrays& in) { return reference::matmul(in[0], in[1], shape); },
          .backward =
              [=](const Arrays& in, const Values& dy) {
                const auto [dA, dB] = reference::matmul_backward(dy, in[0], in[1], shape);
                return Arrays{dA, dB};
              }};
}

}  // namespace

TEST_CASE("matmul: values and gradients, all transpositions") {
  for (const auto& [M, N, K] : std::vector<std::array<int64_t, 3>>{
           {1, 1, 1}, {1, 31, 7}, {31, 1, 33}, {33, 31, 257}, {257, 33, 5}, {65, 40, 768}})
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) check_op(case_of(M, N, K, ta, tb));
}

TEST_CASE("matmul: no rows, no columns, nothing to sum over") {
  const auto zeros = [](int64_t m, int64_t n) { return Tensor::zeros(cpu(), {m, n}, DType::f32); };
  CHECK(ops::matmul(zeros(0, 3), zeros(3, 2)).shape() == Shape{0, 2});
  CHECK(ops::matmul(zeros(2, 3), zeros(3, 0)).shape() == Shape{2, 0});
  CHECK(ops::matmul(zeros(2, 0), zeros(0, 3)).to_vector<float>() == std::vector<float>(6, 0.0f));
}

TEST_CASE("matmul: only the input that requires a gradient gets one, and sums go into it") {
  Tensor a = Tensor::from<double>(cpu(), {2, 3}, random_values(6, 1)),
         b = Tensor::from<double>(cpu(), {3, 2}, random_values(6, 2));
  a.set_requires_grad();
  const auto seed = [] { return Tensor::from<double>(cpu(), {2, 2}, {1, 2, 3, 4}); };
  cpu().tape().backward_to(0, ops::matmul(a, b), seed());
  const Values once = a.grad().to_vector<double>();
  cpu().tape().backward_to(0, ops::matmul(a, b), seed());
  const Values twice = a.grad().to_vector<double>();
  for (size_t i = 0; i < once.size(); ++i) CHECK(twice[i] == doctest::Approx(2 * once[i]));
  CHECK_FALSE(b.grad().defined());
}

// Strides, alpha and beta of the kernel: C is columns [1, 1 + N) of a wider matrix, whose other columns stay.
TEST_CASE("matmul kernel: leading dimensions, alpha, beta, threads") {
  const int64_t M = 130, N = 257, K = 97, lda = 101, ldb = 300, ldc = 261;
  const Values av = random_values(M * lda, 1), bv = random_values(K * ldb, 2), cv = random_values(M * ldc, 3);
  for (const int threads : {1, 2, 3, 7, 16}) {
    Context context({}, threads);
    for (const double beta : {0.0, 1.0, 0.5}) {
      const Tensor a = Tensor::from<double>(context, {M, lda}, av).to(DType::f32);
      const Tensor b = Tensor::from<double>(context, {K, ldb}, bv).to(DType::f32);
      const Tensor c = Tensor::from<double>(context, {M, ldc}, cv).to(DType::f32);
      const MatmulShape s{.M = M, .N = N, .K = K, .lda = lda, .ldb = ldb, .ldc = ldc};
      const auto run = context.kernels().backend == Backend::cpu_v4 ? cpu_v4::matmul<float> : cpu_v3::matmul<float>;
      run(context.kernels(), c.data<float>() + 1, a.data<float>() + 2, b.data<float>() + 3, s, 0.25f,
          static_cast<float>(beta));
      const Values got = c.to(DType::f64).to_vector<double>();
      Values want = reference::matmul({av.begin() + 2, av.end()}, {bv.begin() + 3, bv.end()}, s, 0.25, beta,
                                      {cv.begin() + 1, cv.end()});
      want.insert(want.begin(), cv[0]);
      INFO("threads " << threads << " beta " << beta);
      CHECK(max_abs_diff(got, want) < 1e-5);
    }
  }
}

TEST_CASE("matmul kernel: few rows, and nothing to sum over, add to beta times what is there") {
  const int64_t N = 7, ldc = 9;
  for (const int64_t M : {1, 4, 5})
    for (const int64_t K : {0, 1, 70})
      for (const double beta : {0.0, 1.0, 0.5}) {
        CAPTURE(M);
        CAPTURE(K);
        CAPTURE(beta);
        Context context({}, 2);
        const Values av = random_values(M * K, 1), bv = random_values(N * K, 2);
        Values want = random_values(M * ldc, 3);
        const Tensor a = Tensor::from<double>(context, {M, K}, av).to(DType::f32);
        const Tensor b = Tensor::from<double>(context, {N, K}, bv).to(DType::f32);
        const Tensor c = Tensor::from<double>(context, {M, ldc}, want).to(DType::f32);
        const auto run = context.kernels().backend == Backend::cpu_v4 ? cpu_v4::matmul<float> : cpu_v3::matmul<float>;
        run(context.kernels(), c.data<float>(), a.data<float>(), b.data<float>(),
            {Trans::no, Trans::yes, M, N, K, K, K, ldc}, 2.0f, static_cast<float>(beta));
        for (int64_t m = 0; m < M; ++m)
          for (int64_t n = 0; n < N; ++n) {
            double& y = want[static_cast<size_t>(m * ldc + n)];
            y *= beta;
            for (int64_t k = 0; k < K; ++k)
              y += 2 * av[static_cast<size_t>(m * K + k)] * bv[static_cast<size_t>(n * K + k)];
          }
        CHECK(max_abs_diff(c.to(DType::f64).to_vector<double>(), want) < 1e-5);
      }
}

// What bf16 goes through on a CPU that multiplies it: proved in f32 anywhere, and in bf16 where there is such a CPU.
TEST_CASE("matmul kernel: by the library's primitive, all transpositions, leading dimensions, alpha and beta") {
  const int64_t M = 37, N = 50, K = 70, ld = 75;
  const Values av = random_values(ld * ld, 1), bv = random_values(ld * ld, 2), cv = random_values(M * ld, 3);
  Context context({}, 2);
  const auto run = context.kernels().backend == Backend::cpu_v4 ? cpu_v4::library_matmul : cpu_v3::library_matmul;
  const auto of = [&](const Values& v, DType dtype) {
    return Tensor::from<double>(context, {static_cast<int64_t>(v.size())}, v).to(dtype);
  };
  const auto read = [](const Tensor& t) { return t.to(DType::f64).to_vector<double>(); };
  for (const DType from : {DType::f32, DType::bf16})
    for (const DType to : {DType::f32, DType::bf16})
      for (int which = 0; which < 16; ++which) {
        if (from == DType::f32 && to == DType::bf16) continue;
        const MatmulShape s{
            which % 2 == 0 ? Trans::no : Trans::yes, which / 2 % 2 == 0 ? Trans::no : Trans::yes, M, N, K, ld, ld, ld};
        const float alpha = which / 4 % 2 == 0 ? 1.0f : 0.25f, beta = which / 8 == 0 ? 0.0f : 1.0f;
        const Tensor a = of(av, from), b = of(bv, from), c = of(cv, to);
        const Values before = read(c);
        const bool there = run(context.kernels(), c.raw(), to, a.raw(), b.raw(), from, s, alpha, beta);
        INFO(name_of(from) << " to " << name_of(to) << ", case " << which);
        CHECK((there || from == DType::bf16));
        const Values want = there ? reference::matmul(read(a), read(b), s, alpha, beta, before) : before;
        CHECK(difference(read(c), want).to_largest(1) <= (to == DType::bf16 ? 0x1p-8 : 1e-5));
      }
}

// Tiles of 256 columns and rows and 1024 terms, a few rows, nothing to sum over: the sum in f32, rounded once.
TEST_CASE("matmul kernel: bf16 converted, whatever the shape, with any number of threads the same bits") {
  struct Sizes {
    int64_t M, N, K;
  };
  for (const Sizes s : {Sizes{1, 1, 1}, {3, 40, 1100}, {4, 7, 0}, {5, 300, 9}, {260, 258, 9}, {5, 31, 2050}})
    for (int which = 0; which < 8; ++which) {
      const Trans ta = which % 2 == 0 ? Trans::no : Trans::yes, tb = which / 2 % 2 == 0 ? Trans::no : Trans::yes;
      const float beta = which / 4 == 0 ? 0.0f : 0.5f;
      const int64_t ldc = s.N + 3;
      const MatmulShape shape{
          ta, tb, s.M, s.N, s.K, (ta == Trans::yes ? s.M : s.K) + 2, (tb == Trans::yes ? s.K : s.N) + 1, ldc};
      const Values av = random_values((ta == Trans::yes ? s.K : s.M) * shape.lda, 1),
                   bv = random_values((tb == Trans::yes ? s.N : s.K) * shape.ldb, 2), cv = random_values(s.M * ldc, 3);
      Values want_c, want_d;
      Arrays results;
      for (const int threads : {1, 3}) {
        Context context({}, threads);
        context.kernels().bf16_products = false;
        const auto of = [&](const Values& v, DType dtype) {
          return Tensor::from<double>(context, {static_cast<int64_t>(v.size())}, v).to(dtype);
        };
        const auto read = [](const Tensor& t) { return t.to(DType::f64).to_vector<double>(); };
        const Tensor a = of(av, DType::bf16), b = of(bv, DType::bf16), c = of(cv, DType::bf16), d = of(cv, DType::f32);
        const bool newer = context.kernels().backend == Backend::cpu_v4;
        if (threads == 1) {
          want_c = reference::matmul(read(a), read(b), shape, 0.25, beta, read(c));
          want_d = reference::matmul(read(a), read(b), shape, 0.25, beta, read(d));
        }
        (newer ? cpu_v4::matmul<bf16> : cpu_v3::matmul<bf16>)(context.kernels(), c.data<bf16>(), a.data<bf16>(),
                                                              b.data<bf16>(), shape, 0.25f, beta);
        (newer ? cpu_v4::matmul_acc<bf16> : cpu_v3::matmul_acc<bf16>)(context.kernels(), d.data<float>(),
                                                                      a.data<bf16>(), b.data<bf16>(), shape, 0.25f,
                                                                      beta);
        CAPTURE(s.M);
        CAPTURE(s.K);
        CAPTURE(which);
        const Values got = read(c), sums = read(d);
        double excess = 0;  // over half a unit of the result, 2^-8 of it, and what f32's sum is off
        for (size_t i = 0; i < got.size(); ++i)
          excess = std::max(excess, std::abs(got[i] - want_c[i]) - 0x1p-8 * std::abs(want_c[i]));
        CHECK(excess <= 2e-5);
        CHECK(max_abs_diff(sums, want_d) <= 2e-5);
        results.push_back(got);
      }
      CHECK(results[0] == results[1]);
    }
}

TEST_CASE("matmul: shapes that do not fit are refused") {
  const Tensor a = Tensor::zeros(cpu(), {2, 3}, DType::f32), b = Tensor::zeros(cpu(), {2, 4}, DType::f32);
  CHECK_THROWS_WITH_AS(
      ops::matmul(a, b),
      "[matmul] the inner dimensions of op(a) and op(b) must be equal | a: (2,3) f32 cpu | b: (2,4) f32 cpu", Error);
  CHECK_NOTHROW(ops::matmul(a, b, true));
  CHECK_THROWS_AS(ops::matmul(a, b.to(DType::f64), true), Error);
  CHECK_THROWS_AS(ops::matmul(a.reshape({6}), b), Error);
}

// What cuBLAS is told of a product and of Gram matrices: indices, on the host.
#include "kernels/cuda/matmul_view.h"

#include <doctest/doctest.h>

#include <vector>

#include "kernels/cuda/gram_block.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

// A column-major gemm by its definition.
void blas(const BlasView& v, Values& d, const Values& first, const Values& second) {
  const auto at = [](const BlasMatrix& m, bool transposed, int64_t i, int64_t j) {
    const int64_t row = transposed ? j : i, column = transposed ? i : j;
    REQUIRE(row < m.rows);
    REQUIRE(column < m.columns);
    REQUIRE(m.ld >= m.rows);
    return column * m.ld + row;
  };
  for (int64_t i = 0; i < v.m; ++i)
    for (int64_t j = 0; j < v.n; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < v.k; ++k)
        sum += first[at(v.first, v.transpose_first, i, k)] * second[at(v.second, v.transpose_second, k, j)];
      d[at(v.result, false, i, j)] = sum;
    }
}

}  // namespace

TEST_CASE("blas_view: the row-major product, transposed or not, with leading dimensions") {
  const int64_t M = 5, N = 7, K = 3;
  for (const Trans ta : {Trans::no, Trans::yes})
    for (const Trans tb : {Trans::no, Trans::yes})
      for (const int64_t gap : {0, 4}) {
        const bool a_t = ta == Trans::yes, b_t = tb == Trans::yes;
        const MatmulShape s{ta, tb, M, N, K, (a_t ? M : K) + gap, (b_t ? K : N) + gap, N + gap};
        const Values a = random_values((a_t ? K : M) * s.lda, 1), b = random_values((b_t ? N : K) * s.ldb, 2);
        Values c(M * s.ldc, -9), expected = c;
        for (int64_t m = 0; m < M; ++m)
          for (int64_t n = 0; n < N; ++n) {
            double sum = 0;
            for (int64_t k = 0; k < K; ++k)
              sum += a[a_t ? k * s.lda + m : m * s.lda + k] * b[b_t ? n * s.ldb + k : k * s.ldb + n];
            expected[m * s.ldc + n] = sum;
          }
        blas(blas_view(s), c, b, a);
        CHECK(max_abs_diff(c, expected) < 1e-14);
      }
}

TEST_CASE("gram on the GPU: rows and columns") {
  const int64_t r = 5, n = 771;
  const Values x = random_values(r * n, 1), y = random_values(r * n, 2);
  for (const bool rows : {true, false}) {
    Values K(r * r, -1);
    for (int64_t i = 0; i < r * r; ++i) {
      HostBlock<kGramEntryThreads> b(i, r * r);
      gram_entry(b, K.data(), x.data(), y.data(), r, n, rows ? n : 1, rows ? 1 : r);
    }
    for (int64_t i = 0; i < r; ++i)
      for (int64_t j = 0; j < r; ++j) {
        double sum = 0;
        for (int64_t c = 0; c < n; ++c) sum += x[rows ? i * n + c : c * r + i] * y[rows ? j * n + c : c * r + j];
        CHECK(K[i * r + j] == doctest::Approx(sum).epsilon(1e-12));
      }
  }
}

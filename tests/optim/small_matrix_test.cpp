#include "kernels/common/small_matrix.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "kernels/reference/eflat.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;
namespace host = lowland::host;
using reference::Matrix, reference::norm, reference::product, reference::sum, reference::transposed;

namespace {

// A Gram matrix X^T X of `rank` rows: rank-deficient where rank < r.
std::vector<double> gram(int64_t r, int64_t rank, uint64_t seed) {
  return reference::gram_columns(random_values(rank * r, seed), random_values(rank * r, seed), rank, r);
}

double largest_difference(const std::vector<double>& a, const Matrix& b) { return difference(a, b.x).absolute; }

}  // namespace

TEST_CASE("symmetric_eigen: V^T diag(lambda) V is K again, and V is orthogonal") {
  for (const int64_t r : {1, 2, 3, 8, 31, 64}) {
    const std::vector<double> K = gram(r, r > 3 ? r - 2 : r, 5);
    std::vector<double> lambda = K, V(K.size());
    host::symmetric_eigen(lambda.data(), V.data(), r);
    const Matrix v(r, r, V.data());
    Matrix scaled = v, unit(r, r);
    for (int64_t i = 0; i < r; ++i) {
      unit.at(i, i) = 1;
      for (int64_t j = 0; j < r; ++j) scaled.at(i, j) *= lambda[i * r + i];
    }
    CHECK(largest_difference(K, product(transposed(v), scaled)) < 1e-13 * static_cast<double>(r));
    CHECK(norm(sum(product(v, transposed(v)), unit, 1, -1)) < 1e-13 * static_cast<double>(r));
  }
}

TEST_CASE("pseudo_inverse: both ways against an SVD, of full and of lower rank") {
  for (const int64_t r : {1, 2, 5, 8, 33})
    for (const int64_t rank : {r, (r + 1) / 2}) {
      const std::vector<double> K = gram(r, rank, 7);
      std::vector<double> pinv(K.size()), work(2 * K.size());
      host::pseudo_inverse(pinv.data(), K.data(), r, 1e-6, work.data());
      const Matrix expected = reference::pseudo_inverse(Matrix(r, r, K.data()), 1e-6);
      CHECK(largest_difference(pinv, expected) < 1e-9 * norm(expected));
    }
}

TEST_CASE("pseudo_inverse: the Cholesky way is taken only where nothing is cut off, and agrees") {
  const std::vector<double> good = {2, 0.5, 0.5, 1}, bad = {1, 0, 0, 1e-6};
  std::vector<double> inverse(4), work(8);
  CHECK(host::well_conditioned_inverse(inverse.data(), good.data(), 2, 1e-6, work.data()));
  CHECK(inverse[0] == doctest::Approx(1 / 1.75).epsilon(1e-14));
  CHECK(inverse[1] == doctest::Approx(-0.5 / 1.75).epsilon(1e-14));
  CHECK_FALSE(host::well_conditioned_inverse(inverse.data(), bad.data(), 2, 1e-6, work.data()));
  host::pseudo_inverse(inverse.data(), bad.data(), 2, 1e-6, work.data());
  CHECK(inverse == std::vector<double>{1, 0, 0, 0});  // at the cut-off counts as zero
  host::pseudo_inverse(inverse.data(), bad.data(), 2, 0.99e-6, work.data());
  CHECK(inverse[3] == doctest::Approx(1e6).epsilon(1e-12));
}

TEST_CASE("pseudo_inverse: zero and NaN give zero") {
  std::vector<double> K(9, 0.0), pinv(9, 1.0), work(18);
  host::pseudo_inverse(pinv.data(), K.data(), 3, 1e-6, work.data());
  CHECK(pinv == K);
  K[4] = NAN;
  host::pseudo_inverse(pinv.data(), K.data(), 3, 1e-6, work.data());
  for (const double x : pinv) CHECK(x == 0.0);
}

TEST_CASE("products and traces") {
  const double x[] = {1, 2, 3, 4}, y[] = {5, 6, 7, 8};
  double out[4];
  host::small_product(out, x, y, 2);
  CHECK(std::vector<double>(out, out + 4) == std::vector<double>{19, 22, 43, 50});
  CHECK(host::trace(x, 2) == 5);
  CHECK(host::trace_of_product(x, y, 2) == 69);
}

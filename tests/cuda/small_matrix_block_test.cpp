// r x r mathematics shared by the threads of a block, against kernels/common/small_matrix.h.
#include "kernels/cuda/small_matrix_block.h"

#include <doctest/doctest.h>

#include <vector>

#include "kernels/common/small_matrix.h"
#include "kernels/cuda/host_block.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

using Square = std::vector<double>;

// X^T X of `rank` random rows, the last one `thin` times as long as the others.
Square gram(int64_t r, int64_t rank, double thin, uint64_t seed) {
  Values x = random_values(rank * r, seed);
  for (int64_t j = 0; j < r; ++j) x[(rank - 1) * r + j] *= thin;
  Square K(r * r);
  for (int64_t k = 0; k < rank; ++k)
    for (int64_t i = 0; i < r; ++i)
      for (int64_t j = 0; j < r; ++j) K[i * r + j] += x[k * r + i] * x[k * r + j];
  return K;
}

double relative(const Square& a, const Square& b) { return difference(a, b).to_largest(); }

}  // namespace

TEST_CASE("block_pseudo_inverse: inverse, cut-off and zero as in pseudo_inverse") {
  for (const int r : {1, 2, 3, 5, 8, 16, 31, 33})
    for (const int rank : {r, (r + 1) / 2})
      for (const double thin : {1.0, 1e-5, 0.0}) {
        CAPTURE(r);
        CAPTURE(rank);
        CAPTURE(thin);
        const Square K = gram(r, rank, thin, 7);
        const auto n = static_cast<size_t>(r);
        Square expected(n * n), pinv(n * n, 9.0), work(2 * n * n + 2 * n + 4);
        host::pseudo_inverse(expected.data(), K.data(), r, 1e-6, work.data());
        HostBlock<128> b;
        block_pseudo_inverse(b, pinv.data(), K.data(), r, 1e-6, work.data());
        CHECK(relative(pinv, expected) < 1e-9);
      }
}

TEST_CASE("block_well_conditioned_inverse: taken where pseudo_inverse takes Cholesky") {
  for (const double small : {1e-3, 0.99e-6, 1e-6, 1.01e-6, 2.1e-6, 1.0}) {
    const Square K = {1, 0, 0, small};
    Square inverse(4), work(16);
    HostBlock<32> b;
    CHECK(block_well_conditioned_inverse(b, inverse.data(), K.data(), 2, 1e-6, work.data()) ==
          host::well_conditioned_inverse(inverse.data(), K.data(), 2, 1e-6, work.data()));
  }
}

TEST_CASE("block_pseudo_inverse: NaN gives zero") {
  Square K(9, 0.0), pinv(9, 1.0), work(28);
  K[4] = NAN;
  HostBlock<32> b;
  block_pseudo_inverse(b, pinv.data(), K.data(), 3, 1e-6, work.data());
  for (const double x : pinv) CHECK(x == 0.0);
}

TEST_CASE("round_robin: every pair meets once, and nobody twice in a round") {
  for (const int size : {2, 4, 8, 16, 34}) {
    std::vector<int> met(size * size);
    for (int round = 0; round < size - 1; ++round) {
      std::vector<int> plays(size);
      for (int pair = 0; pair < size / 2; ++pair) {
        const int x = round_robin(size, round, pair, false), y = round_robin(size, round, pair, true);
        plays[x] += 1;
        plays[y] += 1;
        met[x * size + y] += 1;
        met[y * size + x] += 1;
      }
      CHECK(plays == std::vector<int>(size, 1));
    }
    for (int i = 0; i < size * size; ++i) CHECK(met[i] == (i / size == i % size ? 0 : 1));
  }
}

TEST_CASE("block_product and block_trace_of_product") {
  const Square x = {1, 2, 3, 4}, y = {5, 6, 7, 8};
  Square out(4);
  HostBlock<32> b;
  block_product(b, out.data(), x.data(), y.data(), 2);
  CHECK(out == Square{19, 22, 43, 50});
  CHECK(block_trace_of_product(b, x.data(), y.data(), 2) == 69);
}

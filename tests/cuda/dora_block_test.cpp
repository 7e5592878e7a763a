// The kernels of dora, block by block, against kernels/reference.
#include <doctest/doctest.h>

#include "kernels/cuda/dora_block.h"
#include "tests/cuda/row_launch.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

// n columns of rows that are ld apart.
template <int W, class T> void check_dora(int64_t N, int64_t n, int64_t ld) {
  using A = acc_t<T>;
  const DoraShape d{N, n, ld};
  const std::vector<T> z = random_typed<T>(N * ld, 1), dy = random_typed<T>(N * ld, 2);
  const std::vector<A> m = random_typed<A>(n, 3);
  Values q = random_values(n, 4);
  for (double& x : q) x = 1 + x * x;
  const auto columns = [&](const std::vector<T>& x) {
    Values out;
    for (int64_t i = 0; i < N; ++i)
      for (int64_t j = 0; j < n; ++j) out.push_back(static_cast<double>(static_cast<A>(x[i * ld + j])));
    return out;
  };
  std::vector<A> c(n), r(n), dm(n, A(0.5));
  for (int64_t i = 0; i * kDoraThreads < n; ++i) {
    HostBlock<kDoraThreads> b(i);
    dora_scale(b, c.data(), r.data(), m.data(), q.data(), n);
  }
  std::vector<T> y(N * ld, T(9.0f)), dz = y;
  for (int64_t i = 0; i < tile_blocks<W>(N, n); ++i) {
    HostBlock<kTileThreads> b(i);
    dora_tile<W>(b, y.data(), z.data(), c.data(), d);
    dora_tile<W>(b, dz.data(), dy.data(), c.data(), d);
  }
  const int64_t tiles = (n + kSumColumns<W> - 1) / kSumColumns<W>, rows = rows_of_column_sums(N, tiles);
  const int64_t chunks = (N + rows - 1) / rows;
  std::vector<A> partial(chunks * n, A(77)), shared(kSumGroups * kSumColumns<W>, A(77));
  for (int64_t i = 0; i < chunks * tiles; ++i) {
    HostBlock<kSumThreads> b(i);
    dora_sums<W>(b, shared.data(), PartialSums<A>{partial.data(), rows}, dy.data(), z.data(), r.data(), d);
  }
  host_add_partial<A, 1>({dm.data()}, partial, chunks, n);
  const auto [want_dz, want_dm] = reference::dora_backward(columns(dy), columns(z), to_double(m), q, N, n);
  const Values want_y = reference::dora_forward(columns(z), to_double(m), q, N, n);
  const auto off = [](const Values& a, const Values& b) { return max_abs_diff(a, b); };
  CHECK(off(columns(y), want_y) <= 3 * rounding<T>(16));
  CHECK(off(columns(dz), want_dz) <= 3 * rounding<T>(16));
  CHECK(error_of(dm, added_to(0.5, want_dm)) <= rounding<A>(512));
  for (int64_t i = 0; i < N; ++i)  // other columns stay
    for (int64_t j = n; j < ld; ++j) CHECK(static_cast<A>(y[i * ld + j]) == A(9));
}

template <class T> void check_all() {
  constexpr int W = kVector<T>;
  for (const int64_t n : {1, 31, 257}) check_dora<1, T>(100, n, n + 3);
  for (const int64_t n : {8, 264}) check_dora<W, T>(13, n, n + 16);
  check_dora<W, T>(3000, 16, 16);
}

}  // namespace

TEST_CASE("cuda dora: every block") {
  check_all<float>();
  check_all<double>();
  check_all<bf16>();
}

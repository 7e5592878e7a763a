// The kernels of patchify, replace_rows and segment_mean, block by block, against plain loops in double.
#include <doctest/doctest.h>

#include "kernels/cuda/patchify_block.h"
#include "kernels/cuda/replace_rows_block.h"
#include "kernels/cuda/segment_mean_block.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

size_t at(int64_t i) { return i; }

template <class T> void check_patchify(const PatchifyShape& p) {
  const std::vector<T> x = random_typed<T>(p.S * p.D * p.H * p.W, 1);
  std::vector<T> y(x.size(), T(99.0f));
  const int64_t down = p.H / p.P, across = p.W / p.P;
  for (int64_t i = 0; i < p.S * down * across; ++i) {
    HostBlock<kPatchThreads> b(i);
    patchify_row(b, y.data(), x.data(), p);
  }
  Values want;
  const Values from = to_double(x);
  for (int64_t s = 0; s < p.S; ++s)
    for (int64_t i = 0; i < down; ++i)
      for (int64_t j = 0; j < across; ++j)
        for (int64_t d = 0; d < p.D; ++d)
          for (int64_t u = 0; u < p.P; ++u)
            for (int64_t v = 0; v < p.P; ++v)
              want.push_back(from[at(((s * p.D + d) * p.H + i * p.P + u) * p.W + j * p.P + v)]);
  CHECK(to_double(y) == want);
}

template <int W, class T> void check_put(int64_t N, int64_t K, int64_t C) {
  std::vector<int32_t> index;
  for (int64_t k = 0; k < K; ++k) index.push_back(static_cast<int32_t>((k * 7 + 3) % N));  // 7 does not divide N
  const std::vector<T> rows = random_typed<T>(K * C, 1);
  for (const bool zero : {false, true}) {
    std::vector<T> y = random_typed<T>(N * C, 2);
    Values want = to_double(y);
    for (int64_t k = 0; k < K; ++k)
      for (int64_t c = 0; c < C; ++c) want[at(index[at(k)] * C + c)] = zero ? 0.0 : to_double(rows)[at(k * C + c)];
    for (int64_t i = 0; i < tile_blocks<W>(K, C); ++i) {
      HostBlock<kTileThreads> b(i);
      put_rows<W>(b, y.data(), zero ? nullptr : rows.data(), index.data(), K, C);
    }
    CHECK(to_double(y) == want);
  }
}

template <int W, class T> void check_mean(int64_t C) {
  const std::vector<int32_t> cu = {0, 7, 7, 40, 41};
  const int64_t S = 4, N = 43;  // two rows of no segment
  const std::vector<T> x = random_typed<T>(N * C, 1), dy = random_typed<T>(S * C, 2);
  std::vector<T> y(at(S * C), T(99.0f)), dx(at(N * C), T(99.0f));
  Values want(at(S * C), 0.0), dwant(at(N * C), 0.0);
  const Values xs = to_double(x), dys = to_double(dy);
  for (int64_t s = 0; s < S; ++s)
    for (int64_t n = cu[at(s)]; n < cu[at(s + 1)]; ++n)
      for (int64_t c = 0; c < C; ++c) {
        const double share = 1.0 / (cu[at(s + 1)] - cu[at(s)]);
        want[at(s * C + c)] += share * xs[at(n * C + c)];
        dwant[at(n * C + c)] = share * dys[at(s * C + c)];
      }
  for (int64_t i = 0; i < (S + 1) * mean_tiles<W>(C); ++i) {
    HostBlock<kMeanThreads> b(i);
    if (i < S * mean_tiles<W>(C)) segment_mean_tile<W>(b, y.data(), x.data(), cu.data(), C);
    segment_mean_backward_tile<W>(b, dx.data(), dy.data(), cu.data(), S, N, C);
  }
  CHECK(error_of(y, want) <= rounding<T>(64));
  CHECK(error_of(dx, dwant) <= rounding<T>(4));
}

template <class T> void check_all() {
  constexpr int W = kVector<T>;
  for (const PatchifyShape& p : {PatchifyShape{1, 1, 1, 1, 1}, {2, 3, 4, 4, 2}, {3, 3, 9, 6, 3}, {1, 3, 28, 28, 14}})
    check_patchify<T>(p);
  for (const int64_t C : {1, 31, 33, 257}) {
    check_put<1, T>(33, 13, C);
    check_mean<1, T>(C);
  }
  for (const int64_t C : {8, 264, 1032}) {
    check_put<W, T>(33, 13, C);
    check_mean<W, T>(C);
  }
}

}  // namespace

TEST_CASE("cuda patchify, replace_rows, segment_mean: every block") {
  check_all<float>();
  check_all<double>();
  check_all<bf16>();
}

// The kernels of embedding, gather_rows, scatter_rows and bias, block by block, against loops in double.
#include <doctest/doctest.h>

#include <numeric>

#include "kernels/cuda/bias_block.h"
#include "kernels/cuda/embedding_block.h"
#include "kernels/cuda/gather_rows_block.h"
#include "tests/cuda/row_launch.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

// Ids in [0, V), every third one the same: long runs and single ones.
std::vector<int32_t> ids_of(int64_t N, int64_t V) {
  std::vector<int32_t> ids;
  for (int64_t n = 0; n < N; ++n) ids.push_back(static_cast<int32_t>(n % 3 == 0 ? V / 2 : n * 37 % V));
  return ids;
}

// Table: bf16 for embedding_frozen, else T.
template <int W, class T, class Table> void check_copy(int64_t N, int64_t V, int64_t C) {
  const std::vector<int32_t> ids = ids_of(N, V);
  const std::vector<Table> table = random_typed<Table>(V * C, 1);
  std::vector<T> y(N * C, T(99.0f));
  for (int64_t i = 0; i < tile_blocks<W>(N, C); ++i) {
    HostBlock<kTileThreads> b(i);
    copy_rows<W>(b, y.data(), table.data(), N, C, [&](int64_t n) { return int64_t{ids[n]}; });
  }
  const Values got = to_double(y), from = to_double(table);
  bool same = true;
  for (int64_t n = 0; n < N; ++n)
    for (int64_t c = 0; c < C; ++c) same = same && got[n * C + c] == from[ids[n] * C + c];
  CHECK(same);
}

template <int W, class T> void check_scatter(int64_t K, int64_t V, int64_t C, int64_t stride) {
  std::vector<int32_t> index;  // no row twice, in no order
  for (int64_t k = 0; k < K; ++k) index.push_back(static_cast<int32_t>((k * 7 + 3) % V));
  const std::vector<T> x = random_typed<T>(K * stride, 1);
  std::vector<T> y = random_typed<T>(V * C, 2);
  Values want = to_double(y);
  const Values from = to_double(x);
  for (int64_t k = 0; k < K; ++k)
    for (int64_t c = 0; c < C; ++c) want[index[k] * C + c] = from[k * stride + c];
  for (int64_t i = 0; i < tile_blocks<W>(K, C); ++i) {
    HostBlock<kTileThreads> b(i);
    scatter_rows<W>(b, y.data(), x.data(), index.data(), K, C, stride);
  }
  CHECK(to_double(y) == want);
}

// start + the rows of dy, each added to the row of its id.
Values scattered(const Values& dy, const std::vector<int32_t>& ids, Values start, int64_t C) {
  for (size_t n = 0; n < ids.size(); ++n)
    for (size_t c = 0; c < static_cast<size_t>(C); ++c) start[ids[n] * C + c] += dy[n * C + c];
  return start;
}

template <int W, class T> void check_embedding_backward(int64_t N, int64_t V, int64_t C) {
  using A = acc_t<T>;
  const std::vector<int32_t> ids = ids_of(N, V);
  std::vector<int32_t> places(ids.size()), sorted;
  std::iota(places.begin(), places.end(), 0);
  std::stable_sort(places.begin(), places.end(), [&](int32_t a, int32_t b) { return ids[a] < ids[b]; });
  for (const int32_t place : places) sorted.push_back(ids[place]);
  const std::vector<T> dy = random_typed<T>(N * C, 2);
  std::vector<A> dtable(V * C, A(0.5));
  const Values want = scattered(to_double(dy), ids, to_double(dtable), C);
  std::vector<A> shared(kSumGroups * kSumColumns<W>, A(77));
  for (int64_t i = 0; i < N * ((C + kSumColumns<W> - 1) / kSumColumns<W>); ++i) {
    HostBlock<kSumThreads> b(i);
    embedding_backward_run<W>(b, shared.data(),
                              EmbeddingBackward<T>{dtable.data(), dy.data(), sorted.data(), places.data(), N, C});
  }
  CHECK(error_of(dtable, want) <= rounding<A>(64));
}

template <int W, class T> void check_gather_backward(int64_t K, int64_t V, int64_t C) {
  const std::vector<int32_t> index = ids_of(K, V);
  const std::vector<T> dy = random_typed<T>(K * C, 2);
  std::vector<T> dx = random_typed<T>(V * C, 3);
  const Values want = scattered(to_double(dy), index, to_double(dx), C);
  for (int64_t k = 0; k < K; ++k) {
    HostBlock<kTileThreads> b(k);
    gather_rows_backward_row<W>(b, GatherRowsBackward<T>{dx.data(), dy.data(), index.data(), K, C});
  }
  CHECK(error_of(dx, want) <= rounding<T>(64));
}

template <int W, class T> void check_bias(int64_t N, int64_t C) {
  using A = acc_t<T>;
  std::vector<T> y = random_typed<T>(N * C, 1);
  const std::vector<T> bias = random_typed<T>(C, 2), dy = y;
  Values want = to_double(y), sums(C, 0.5);
  const Values db = to_double(bias);
  for (size_t i = 0; i < want.size(); ++i) {
    sums[i % C] += want[i];
    want[i] += db[i % C];
  }
  for (int64_t i = 0; i < tile_blocks<W>(N, C); ++i) {
    HostBlock<kTileThreads> b(i);
    add_bias_tile<W>(b, y.data(), bias.data(), N, C);
  }
  CHECK(error_of(y, want) <= rounding<T>(4));

  std::vector<A> out(C, A(0.5));
  const int64_t tiles = (C + kSumColumns<W> - 1) / kSumColumns<W>, rows = rows_of_column_sums(N, tiles);
  const int64_t chunks = (N + rows - 1) / rows;
  std::vector<A> partial(chunks * C, A(77));
  std::vector<A> shared(kSumGroups * kSumColumns<W>, A(77));
  for (int64_t i = 0; i < chunks * tiles; ++i) {
    HostBlock<kSumThreads> b(i);
    sum_columns<W>(b, shared.data(), PartialSums<A>{partial.data(), rows}, dy.data(), N, C);
  }
  host_add_partial<A, 1>({out.data()}, partial, chunks, C);
  CHECK(error_of(out, sums) <= rounding<A>(256));
}

template <class T> void check_all() {
  constexpr int W = kVector<T>;
  for (const int64_t C : {1, 31, 33, 257}) {
    check_copy<1, T, T>(13, 7, C);
    check_copy<1, T, bf16>(13, 7, C);
    check_scatter<1, T>(13, 30, C, C + 3);
    check_embedding_backward<1, T>(100, 17, C);
    check_gather_backward<1, T>(30, 17, C);
    check_bias<1, T>(100, C);
  }
  for (const int64_t C : {8, 264, 1032}) {
    check_copy<W, T, T>(13, 7, C);
    check_copy<W, T, bf16>(13, 7, C);
    check_scatter<W, T>(13, 30, C, C + 16);
    check_embedding_backward<W, T>(100, 17, C);
    check_gather_backward<W, T>(30, 17, C);
    check_bias<W, T>(100, C);
  }
  check_embedding_backward<W, T>(1, 3, 8);
  check_bias<W, T>(5000, 16);
}

}  // namespace

TEST_CASE("cuda embedding, gather_rows, scatter_rows, bias: every block") {
  check_all<float>();
  check_all<double>();
  check_all<bf16>();
}

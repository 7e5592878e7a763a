// What moves the arena, on a GPU block by block and on the CPU, against kernels/reference.
#include "kernels/cuda/optimizer_block.h"

#include <doctest/doctest.h>

#include <vector>

#include "kernels/cuda/sam_block.h"
#include "kernels/sum_squares.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

const std::vector<int64_t> kSizes = {1, 3, 31, 33, 257, 1024, 4096, 4097, 70001};

StepScalars scalars() {
  StepScalars s;
  s.lr = 0.01;
  s.rho = 0.3;
  s.t = 3;
  s.clip_scale = 0.7;
  return s;
}

template <int W, class T> double squares_by_blocks(const std::vector<T>& x) {
  const auto n = static_cast<int64_t>(x.size()), tiles = (n + kSquaresTile - 1) / kSquaresTile;
  std::vector<double> partial(tiles, NAN);
  for (int64_t i = 0; i < tiles; ++i) {
    HostBlock<kSquaresThreads> b(i, tiles);
    squares_tile<W>(b, partial.data(), x.data(), n);
  }
  double out = NAN;
  HostBlock<kSquaresThreads> b;
  add_partials(b, &out, partial.data(), tiles);
  return out;
}

template <class T> void check_squares() {
  for (const int64_t n : kSizes) {
    const std::vector<T> x = random_typed<T>(n, 3);
    const double expected = reference::sum_squares(to_double(x));
    CHECK(squares_by_blocks<kVector<T>>(x) == doctest::Approx(expected).epsilon(1e-13));
    CHECK(squares_by_blocks<1>(x) == doctest::Approx(expected).epsilon(1e-13));
  }
}

// Groups that end where no chunk does, one without elements among them.
OptimizerGroups groups(int64_t n) { return {{{n / 3, 1, 0.1}, {n / 3, 5, 5}, {n / 2, 16, 0.2}, {n, 0.5, 0}}, 4}; }

// grid: fewer blocks than tiles, so that they stride.
template <int W, class T> void check_adamw(int64_t n, int64_t grid, double tolerance) {
  const StepScalars s = scalars();
  const AdamWOptions o{0.9, 0.99, 1e-8, groups(n)};
  const std::vector<T> g = random_typed<T>(n, 1);
  std::vector<T> p = random_typed<T>(n, 2), m = random_typed<T>(n, 3), v = random_typed<T>(n, 4);
  for (T& x : v) x = std::fabs(x);
  std::vector<T> p2 = p, m2 = m, v2 = v;
  Values rp = to_double(p), rm = to_double(m), rv = to_double(v);
  reference::adamw_step(rp, rm, rv, to_double(g), o, s);
  cpu_v3::adamw_step<T>(cpu().kernels(), p2.data(), m2.data(), v2.data(), g.data(), o, &s);
  AdamWFactors<T> shared[kMostGroups];
  for (int64_t i = 0; i < grid; ++i) {
    HostBlock<kOptimizerThreads> b(i, grid);
    adamw_tiles<W>(b, shared, p.data(), m.data(), v.data(), g.data(), o, &s);
  }
  for (const std::vector<T>* x : {&p, &p2}) CHECK(error_of(*x, rp) <= tolerance);
  for (const std::vector<T>* x : {&m, &m2}) CHECK(error_of(*x, rm) <= tolerance);
  for (const std::vector<T>* x : {&v, &v2}) CHECK(error_of(*x, rv) <= tolerance);
}

template <int W, class T> void check_sgd(int64_t n, int64_t grid, bool momentum, double tolerance) {
  const StepScalars s = scalars();
  const SgdOptions o{momentum ? 0.9 : 0.0, groups(n)};
  const std::vector<T> g = random_typed<T>(n, 1);
  std::vector<T> p = random_typed<T>(n, 2), d = random_typed<T>(n, 3), p2 = p, d2 = d;
  Values rp = to_double(p), rd = to_double(d);
  reference::sgd_step(rp, rd, to_double(g), o, s);
  cpu_v3::sgd_step<T>(cpu().kernels(), p2.data(), momentum ? d2.data() : nullptr, g.data(), o, &s);
  for (int64_t i = 0; i < grid; ++i) {
    HostBlock<kOptimizerThreads> b(i, grid);
    sgd_tiles<W>(b, p.data(), momentum ? d.data() : nullptr, g.data(), o, &s);
  }
  for (const std::vector<T>* x : {&p, &p2}) CHECK(error_of(*x, rp) <= tolerance);
  for (const std::vector<T>* x : {&d, &d2}) CHECK((!momentum || error_of(*x, rd) <= tolerance));
}

template <class T> void check_sam(bool joint, double tolerance) {
  const double along = joint ? -1 : 1;
  const int64_t sizes[] = {5, 8192, 0, 4097, 33};
  std::vector<SamSegment> segments;
  SamTable table;
  int64_t end = 4, at[2] = {0, 1};  // the first can be read and written in vectors, the others not
  for (int i = 0; i < 5; ++i) {
    segments.push_back({end, sizes[i], at[i % 2], i % 2, table.blocks});
    table.blocks += (sizes[i] + kSamBlock - 1) / kSamBlock;
    at[i % 2] += sizes[i];
    end += sizes[i] + i;
  }
  table.segments = segments.data();
  table.count = 5;
  const StepScalars s = scalars();
  const std::vector<T> g = random_typed<T>(end, 8);
  std::vector<T> a(at[0], T(9)), b(at[1], T(9)), a2 = a, b2 = b;
  std::vector<double> squares(5, NAN), squares2 = squares, partial(table.blocks, NAN);
  Values ra = to_double(a), rb = to_double(b);
  const Values rsquares = reference::sam_perturbation(ra, rb, to_double(g), table, joint, along, s);
  cpu_v3::sam_perturbation<T>(cpu().kernels(), a2.data(), b2.data(), squares2.data(), g.data(), table, joint, along,
                              &s);
  int64_t row = -1;
  for (int64_t i = 0; i < table.blocks; ++i) {
    HostBlock<kSquaresThreads> block(i, table.blocks);
    sam_squares(block, partial.data(), g.data(), table, &row);
  }
  for (int64_t i = 0; i < table.count; ++i) {
    HostBlock<kSquaresThreads> block(i, table.count);
    sam_add_segment(block, squares.data(), partial.data(), table);
  }
  for (int64_t i = 0; i < table.blocks; ++i) {
    HostBlock<kSquaresThreads> block(i, table.blocks);
    sam_scale(block, a.data(), b.data(), squares.data(), g.data(), table, joint, along, &s, &row);
  }
  for (const Values* x : {&squares, &squares2})
    for (size_t i = 0; i < 5; ++i) CHECK((*x)[i] == doctest::Approx(rsquares[i]).epsilon(1e-13));
  for (const std::vector<T>* x : {&a, &a2}) CHECK(error_of(*x, ra) <= tolerance);
  for (const std::vector<T>* x : {&b, &b2}) CHECK(error_of(*x, rb) <= tolerance);
}

}  // namespace

TEST_CASE("sum_squares on the GPU: f64 sums over every block") {
  check_squares<float>();
  check_squares<double>();
  check_squares<bf16>();
}

TEST_CASE("adamw on the GPU: blocks that stride, tails, groups") {
  for (const int64_t n : kSizes)
    for (const int64_t grid : {1, 3}) {
      check_adamw<4, float>(n, grid, 1e-6);
      check_adamw<1, float>(n, grid, 1e-6);
      check_adamw<2, double>(n, grid, 1e-14);
    }
}

TEST_CASE("sgd on the GPU: with and without momentum") {
  for (const int64_t n : kSizes)
    for (const bool momentum : {false, true}) {
      check_sgd<4, float>(n, 3, momentum, 1e-6);
      check_sgd<1, float>(n, 3, momentum, 1e-6);
      check_sgd<2, double>(n, 1, momentum, 1e-14);
    }
}

TEST_CASE("optimizers on the GPU: a step that is not finite moves nothing") {
  StepScalars s = scalars();
  s.finite = 0;
  std::vector<float> p = random_typed<float>(100, 1), m = p, v = p;
  const std::vector<float> before = p, g(100, NAN);
  AdamWFactors<float> shared[kMostGroups];
  HostBlock<kOptimizerThreads> b;
  adamw_tiles<4>(b, shared, p.data(), m.data(), v.data(), g.data(), AdamWOptions{.groups = groups(100)}, &s);
  sgd_tiles<4>(b, p.data(), m.data(), g.data(), SgdOptions{.groups = groups(100)}, &s);
  CHECK(p == before);
  CHECK(m == before);
  CHECK(v == before);
}

TEST_CASE("sam on the GPU: segments of all sizes, each norm its own or one for all") {
  for (const bool joint : {false, true}) {
    check_sam<float>(joint, 1e-6);
    check_sam<double>(joint, 1e-14);
  }
}

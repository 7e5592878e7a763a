// Noise on weights and preconditioned gradients: on a GPU block by block and on the CPU, against kernels/reference.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "kernels/cuda/precondition_block.h"
#include "kernels/cuda/weight_noise_block.h"
#include "kernels/gram.h"
#include "kernels/reference/eflat.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;
using reference::Matrix;

namespace {

// Lengths and noise of a (n, M) weight with a pair of rank R.
template <class T> void check_noise(int64_t n, int64_t M, int64_t R, double tolerance) {
  const NoiseShape shape{n, M, R, 0.5, 11};
  const double rho = 0.3;
  PhiloxSource draws;
  draws.key = philox_key(3, 4, 5);
  const std::vector<T> w = random_typed<T>(n * M, 1), a = random_typed<T>(R * M, 2, 0.3),
                       b = random_typed<T>(n * R, 3, 0.4);
  const Matrix W(n, M, to_double(w).data()), A(R, M, to_double(a).data()), B(n, R, to_double(b).data());
  const std::vector<T> p = typed<T>(reference::product(A, reference::transposed(W)).x);
  const Values K = reference::product(A, reference::transposed(A)).x;
  const Values want = reference::noisy_weight(W, A, B, rho, shape, draws.key);
  std::vector<double> q_cpu(n, NAN), q_gpu = q_cpu;
  std::vector<T> on_cpu(n * M, T(0)), on_gpu = on_cpu;
  for (int64_t i = 0; i < n; ++i) {
    HostBlock<kNoiseThreads> block(i, n);
    row_length(block, q_gpu.data(), w.data(), p.data(), b.data(), K.data(), shape);
    noisy_row(block, on_gpu.data(), w.data(), q_gpu.data(), &rho, shape, draws);
  }
  CHECK(error_of(on_gpu, want) <= tolerance);
  if constexpr (!std::is_same_v<T, bf16>) {
    Ctx& ctx = cpu().kernels();
    cpu_v3::row_lengths<T>(ctx, q_cpu.data(), w.data(), p.data(), b.data(), K.data(), shape);
    cpu_v3::weight_noise<T>(ctx, on_cpu.data(), w.data(), q_cpu.data(), &rho, shape, draws);
    CHECK(error_of(on_cpu, want) <= tolerance);
  }
}

struct Size {
  int64_t n, m, r;
  double b_scale = 0.3;
};

template <class T> void check_precondition(double tolerance) {
  std::vector<EflatAdapter> adapters;
  std::vector<T> values(3, T(NAN));
  for (const Size& z : {Size{1, 1, 1}, {7, 5, 3}, {40, 300, 8, 0}, {600, 33, 8}, {3, 4, 8}, {100, 80, 17}}) {
    const auto at = static_cast<int64_t>(values.size());
    adapters.push_back({at, at + z.r * z.m, 0, z.n, z.m, z.r, 0.5});
    for (const T x : random_typed<T>(z.r * z.m, 5 + at, 0.3)) values.push_back(x);
    for (const T x : random_typed<T>(z.n * z.r, 6 + at, z.b_scale)) values.push_back(x);
  }
  EflatTable table = lay_out_eflat(adapters.data(), static_cast<int64_t>(adapters.size()));
  table.adapters = adapters.data();
  const auto n = static_cast<int64_t>(values.size());
  StepScalars s;
  const std::vector<T> g = random_typed<T>(n, 9);
  Values want = to_double(g);
  reference::precondition(want, to_double(values), table);
  std::vector<T> on_cpu = g, on_gpu = g;
  cpu_v3::precondition<T>(cpu().kernels(), on_cpu.data(), values.data(), n, table, &s);
  std::vector<Vec<double>> shared(kGramShared / 2 + 1);
  const int64_t rr = table.most_r * table.most_r;
  std::vector<double> partial(table.gram_blocks * 3 * rr, NAN), inverses(table.count * 2 * rr, NAN);
  std::vector<double> work(damped_work(table.most_r), NAN);
  const EflatArrays<T> in{values.data(), values.data(), nullptr};
  int64_t row = -1;
  for (int64_t i = 0; i < table.gram_blocks; ++i) {
    HostBlock<kGramThreads> b(i, table.gram_blocks);
    gram_partials(b, partial.data(), in, table, EflatOptions{}, reinterpret_cast<double*>(shared.data()), &row);
  }
  for (int64_t k = 0; k < table.count; ++k) {
    HostBlock<kSolveThreads> b(k, table.count);
    damped_inverses(b, inverses.data(), partial.data(), table, work.data());
    HostBlock<kPreconditionThreads> c(k, table.count);
    precondition_adapter(c, on_gpu.data(), g.data(), inverses.data(), table);
  }
  CHECK(error_of(on_cpu, want) <= tolerance);
  CHECK(error_of(on_gpu, want) <= tolerance);
  s.finite = 0;
  std::vector<T> still = g;
  cpu_v3::precondition<T>(cpu().kernels(), still.data(), values.data(), n, table, &s);
  CHECK(still == g);
}

}  // namespace

TEST_CASE("weight_noise on the GPU and on the CPU: lengths of W + s B A, draws by index") {
  for (const auto& [n, M, R] :
       {std::tuple<int64_t, int64_t, int64_t>{1, 1, 1}, {7, 5, 3}, {33, 257, 8}, {3, 700, 16}}) {
    check_noise<double>(n, M, R, 1e-13);
    check_noise<float>(n, M, R, 2e-6);
    check_noise<bf16>(n, M, R, 0.02);
  }
}

TEST_CASE("normal_pair: f32 is f64 rounded, and the numbers are normal") {
  double sum = 0, squares = 0, fourth = 0, worst = 0;
  constexpr int kPairs = 1 << 17;
  for (uint32_t i = 0; i < kPairs; ++i) {
    const PhiloxBlock v = philox({1, 2}, i, 0, 0, 0);
    const auto d = lowland::LL_HD_NAMESPACE::normal_pair<double>(v.v[0], v.v[1]);
    const auto f = lowland::LL_HD_NAMESPACE::normal_pair<float>(v.v[0], v.v[1]);
    worst = std::max({worst, std::abs(d.x - double(f.x)), std::abs(d.y - double(f.y))});
    for (const double z : {d.x, d.y}) {
      sum += z;
      squares += z * z;
      fourth += z * z * z * z;
    }
  }
  CHECK(worst < 3e-6);
  CHECK(std::abs(sum / (2 * kPairs)) < 0.01);
  CHECK(std::abs(squares / (2 * kPairs) - 1) < 0.015);
  CHECK(std::abs(fourth / (2 * kPairs) - 3) < 0.1);
  for (const uint32_t edge : {0u, 0xffffffffu, 0x7fffffffu, 0x3fffffffu}) {
    const auto f = lowland::LL_HD_NAMESPACE::normal_pair<float>(edge, edge);
    CHECK(std::isfinite(f.x));
    CHECK(std::isfinite(f.y));
  }
}

TEST_CASE("precondition on the GPU and on the CPU: the printed inverses, B = 0 among them") {
  check_precondition<double>(1e-10);
  check_precondition<float>(2e-5);
}

// The kernels of bi-lora, BAR and MGPO: on a GPU block by block and on the CPU, against kernels/reference.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "kernels/bi_lora.h"
#include "kernels/cuda/adapter_norms_block.h"
#include "kernels/cuda/balance_block.h"
#include "kernels/cuda/mgpo_block.h"
#include "kernels/reference/eflat.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

struct Size {
  int64_t n, m, r;
};

// Arrays of pairs with `gap` elements between them, which belong to none.
struct PairArrays {
  std::vector<EflatAdapter> adapters;
  EflatTable table;
  int64_t end = 0;

  PairArrays(const std::vector<Size>& sizes, int64_t gap, int64_t rank_factor = 1) {
    end = gap;
    for (const Size& z : sizes) {
      const int64_t r = z.r * rank_factor;
      adapters.push_back({end, end + r * z.m, 0, z.n, z.m, r, 0.5});
      end += r * (z.n + z.m) + gap;
    }
    table = lay_out_eflat(adapters.data(), static_cast<int64_t>(adapters.size()));
    table.adapters = adapters.data();
  }
};

const std::vector<Size> kSizes = {{1, 1, 1}, {7, 5, 3}, {33, 257, 8}, {600, 300, 8}, {3, 4, 8}, {100, 80, 33}};

StepScalars scalars(double rho) {
  StepScalars s;
  s.lr = 0.02;
  s.rho = rho;
  s.t = 3;
  return s;
}

template <class T>
std::vector<double> norms_by_blocks(const PairArrays& p, const std::vector<T>& x, const std::vector<T>& d) {
  const EflatTable& table = p.table;
  std::vector<Vec<double>> shared(kGramShared / 2 + 1);
  std::vector<double> partial(table.gram_blocks * 3 * table.most_r * table.most_r, NAN);
  std::vector<double> out(table.count, NAN), work(norm_work(table.most_r), NAN);
  const EflatArrays<T> in{x.data(), d.empty() ? x.data() : d.data(), nullptr};
  int64_t row = -1;
  for (int64_t i = 0; i < table.gram_blocks; ++i) {
    HostBlock<kGramThreads> b(i, table.gram_blocks);
    gram_partials(b, partial.data(), in, table, EflatOptions{}, reinterpret_cast<double*>(shared.data()), &row);
  }
  for (int64_t i = 0; i < table.count; ++i) {
    HostBlock<kSolveThreads> b(i, table.count);
    adapter_norm(b, out.data(), partial.data(), table, !d.empty(), work.data());
  }
  return out;
}

template <class T> void check_norms(int64_t gap) {
  const PairArrays p(kSizes, gap);
  const std::vector<T> x = random_typed<T>(p.end, 3, 0.3);
  for (const std::vector<T>& d : {std::vector<T>(), random_typed<T>(p.end, 4, 0.2)}) {
    const Values want = reference::adapter_norms(to_double(x), to_double(d), p.table);
    std::vector<double> on_cpu(p.table.count, NAN);
    cpu_v3::adapter_norms<T>(cpu().kernels(), on_cpu.data(), x.data(), d.empty() ? nullptr : d.data(), p.table);
    const std::vector<double> on_gpu = norms_by_blocks(p, x, d);
    for (size_t k = 0; k < want.size(); ++k) {
      CHECK(on_cpu[k] == doctest::Approx(want[k]).epsilon(1e-12));
      CHECK(on_gpu[k] == doctest::Approx(want[k]).epsilon(1e-12));
    }
  }
}

template <class T> void check_bi_lora(double rho, double tolerance) {
  const PairArrays p(kSizes, 3);
  const std::vector<T> g = random_typed<T>(p.end, 5);
  std::vector<T> x = random_typed<T>(p.end, 6);
  Values want = to_double(x);
  const Values norms = reference::bi_lora_step(want, to_double(g), p.table, 1.5, scalars(rho));
  std::vector<double> norm2(p.table.count, NAN);
  const StepScalars s = scalars(rho);
  cpu_v3::bi_lora_step<T>(cpu().kernels(), x.data(), norm2.data(), g.data(), p.end, p.table, 1.5, &s);
  CHECK(error_of(x, want) <= tolerance);
  for (size_t k = 0; k < norms.size(); ++k) CHECK(norm2[k] == doctest::Approx(norms[k]).epsilon(1e-5));
}

template <class T> void check_balance(bool by_gradient, double tolerance) {
  std::vector<SamSegment> segments;
  SamTable table;
  int64_t end = 4;
  for (const int64_t size : {5, 8192, 4097, 33}) {
    segments.push_back({.begin = end, .size = size, .block = table.blocks});
    table.blocks += (size + kSamBlock - 1) / kSamBlock;
    end += size + 1;
  }
  table.segments = segments.data();
  table.count = 4;
  const StepScalars s = scalars(0.5);
  const std::vector<T> g = random_typed<T>(end, 8);
  std::vector<T> x = random_typed<T>(end, 9), x2 = x;
  std::vector<double> squares(4, NAN), partial(table.blocks, NAN);
  Values want = to_double(x);
  reference::balance(want, to_double(g), table, by_gradient, s);
  cpu_v3::balance<T>(cpu().kernels(), x2.data(), squares.data(), g.data(), table, by_gradient, &s);
  int64_t row = -1;
  for (int64_t i = 0; i < table.blocks; ++i) {
    HostBlock<kSquaresThreads> b(i, table.blocks);
    sam_squares(b, partial.data(), by_gradient ? g.data() : x.data(), table, &row);
  }
  for (int64_t i = 0; i < table.count; ++i) {
    HostBlock<kSquaresThreads> b(i, table.count);
    sam_add_segment(b, squares.data(), partial.data(), table);
  }
  for (int64_t i = 0; i < table.blocks; ++i) {
    HostBlock<kSquaresThreads> b(i, table.blocks);
    balance_scale(b, x.data(), squares.data(), table, by_gradient, &s, &row);
  }
  for (const std::vector<T>* got : {&x, &x2}) CHECK(error_of(*got, want) <= tolerance);
}

template <class T> void check_mgpo(double tolerance) {
  const PairArrays from(kSizes, 2), to(kSizes, 5, 2);
  const std::vector<T> x = random_typed<T>(from.end, 11), m = random_typed<T>(from.end, 12);
  const Values xd = to_double(x), md = to_double(m), norm2 = reference::adapter_norms(xd, md, from.table);
  Values gbar = random_values(from.table.count, 13, 1.0);
  for (double& g : gbar) g = std::abs(g);
  gbar[0] = 1e-3;  // no more than 10 times
  const StepScalars s = scalars(0.3);
  std::vector<T> on_cpu(to.end, T(9)), on_gpu = on_cpu;
  cpu_v3::mgpo_pairs<T>(cpu().kernels(), on_cpu.data(), x.data(), m.data(), norm2.data(), gbar.data(), from.table,
                        to.table, &s);
  for (int64_t k = 0; k < from.table.count; ++k) {
    HostBlock<kMgpoThreads> b(k, from.table.count);
    mgpo_pair(b, on_gpu.data(), x.data(), m.data(), norm2.data(), gbar.data(), from.table, to.table, &s);
  }
  CHECK(on_cpu == on_gpu);
  using reference::Matrix;
  for (int64_t k = 0; k < from.table.count; ++k) {
    const EflatAdapter &d = from.adapters[k], &p = to.adapters[k];
    const Values pairs = to_double(on_cpu);
    const Matrix E = reference::product(Matrix(p.n, p.r, &pairs[p.b]), Matrix(p.r, p.m, &pairs[p.a]));
    const Matrix want =
        reference::mgpo_perturbation(Matrix(d.r, d.m, &xd[d.a]), Matrix(d.n, d.r, &xd[d.b]), Matrix(d.r, d.m, &md[d.a]),
                                     Matrix(d.n, d.r, &md[d.b]), d.scale, gbar[k], s.rho);
    for (size_t i = 0; i < E.x.size(); ++i)
      CHECK(d.scale * E.x[i] == doctest::Approx(want.x[i]).epsilon(tolerance).scale(0.01));
  }
}

}  // namespace

TEST_CASE("adapter_norms on the GPU and on the CPU: the norms of n x m matrices") {
  for (const int64_t gap : {0, 1, 16}) {
    check_norms<double>(gap);
    check_norms<float>(gap);
  }
}

TEST_CASE("bi_lora: the step up, and back into the ball where it is left") {
  for (const double rho : {0.0, 0.3, 1e9}) {
    check_bi_lora<double>(rho, 1e-13);
    check_bi_lora<float>(rho, 1e-6);
  }
}

TEST_CASE("balance on the GPU and on the CPU: by size and by gradient") {
  for (const bool by_gradient : {false, true}) {
    check_balance<double>(by_gradient, 1e-14);
    check_balance<float>(by_gradient, 1e-6);
  }
}

TEST_CASE("mgpo on the GPU and on the CPU: the pair is the printed matrix") {
  check_mgpo<double>(1e-11);
  check_mgpo<float>(1e-4);
}

TEST_CASE("bi_lora, balance and mgpo: a step that is not finite moves nothing") {
  StepScalars s = scalars(0.1);
  s.finite = 0;
  const PairArrays p({{7, 5, 2}}, 0);
  std::vector<double> x = random_values(p.end, 1), norm2(1), squares(2);
  const std::vector<double> before = x, g(x.size(), NAN);
  Ctx& ctx = cpu().kernels();
  cpu_v3::bi_lora_step<double>(ctx, x.data(), norm2.data(), g.data(), p.end, p.table, 1, &s);
  const SamSegment segments[] = {{.begin = 0, .size = 10}, {.begin = 10, .size = 14}};
  cpu_v3::balance<double>(ctx, x.data(), squares.data(), g.data(), {segments, 2, 2}, true, &s);
  double gbar = 3;
  cpu_v3::mgpo_track(ctx, &gbar, g.data(), 1, 0.5, &s);
  CHECK(x == before);
  CHECK(gbar == 3);
}

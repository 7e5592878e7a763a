// The three launches of kernels/cuda/eflat.cu, block by block, against the printed formulas of kernels/reference.
#include "kernels/cuda/eflat_block.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <vector>

#include "kernels/reference/eflat.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

struct Size {
  int64_t n, m, r;
  double b_scale = 0.1;  // 0: B = 0
};

template <class T> struct Problem {
  std::vector<EflatAdapter> adapters;
  EflatTable table;
  std::vector<T> values, grads, e;
  StepScalars s;

  explicit Problem(const std::vector<Size>& sizes, int64_t gap) {
    int64_t end = gap, e_end = gap;
    for (const Size& z : sizes) {
      adapters.push_back({end, end + z.r * z.m, e_end, z.n, z.m, z.r, 0.5});
      const Values a = random_values(z.r * z.m, 7 + end, 0.1);
      const Values b = random_values(z.n * z.r, 8 + end, z.b_scale);
      values.resize(end, T(NAN));
      for (const double v : a) values.push_back(static_cast<T>(v));
      for (const double v : b) values.push_back(static_cast<T>(v));
      end = static_cast<int64_t>(values.size()) + gap;
      e_end += z.n * z.r;
    }
    for (size_t i = 0; i < values.size(); ++i) grads.push_back(static_cast<T>(random_values(1, 90 + i, 0.01)[0]));
    for (const double v : random_values(e_end, 5, 0.02)) e.push_back(static_cast<T>(v));
    table = lay_out_eflat(adapters.data(), static_cast<int64_t>(adapters.size()));
    table.adapters = adapters.data();
    s.rho = 0.05;
    s.t = 2;
  }
};

template <class T, class E>
std::vector<double> by_blocks(const Problem<T>& p, std::vector<E>& e, const EflatOptions& o) {
  const EflatTable& table = p.table;
  const int64_t rr = table.most_r * table.most_r, count = table.count;
  const int64_t words = std::max<int64_t>(kGramShared, kBlendRows + kBlendFactors);
  std::vector<Vec<double>> shared(words / 2 + 1);  // aligned to 16 bytes
  auto* memory = reinterpret_cast<double*>(shared.data());
  std::vector<double> partial(table.gram_blocks * 3 * rr, NAN), factors(count * 2 * rr, NAN);
  std::vector<double> norm2(count, NAN), g_norm(count, NAN), work(solve_work(table.most_r), NAN);
  const EflatArrays<T, E> in{p.values.data(), p.grads.data(), e.data()};
  int64_t row = -1;
  for (int64_t i = 0; i < table.gram_blocks; ++i) {
    HostBlock<kGramThreads> b(i, table.gram_blocks);
    gram_partials(b, partial.data(), in, table, o, memory, &row);
  }
  for (int64_t i = 0; i < table.count; ++i) {
    HostBlock<kSolveThreads> b(i, table.count);
    eflat_solve(b, {factors.data(), norm2.data()}, partial.data(), table, o, work.data());
  }
  for (int64_t i = 0; i < table.row_blocks; ++i) {
    HostBlock<kBlendThreads> b(i, table.row_blocks);
    eflat_blend(b, e.data(), g_norm.data(), in, {factors.data(), norm2.data()}, table, o, &p.s, memory, &row);
  }
  return g_norm;
}

template <class T> void check(const std::vector<Size>& sizes, int64_t gap, const EflatOptions& o, double tolerance) {
  const Problem<T> p(sizes, gap);
  Values expected = to_double(p.e);
  const Values g_norm =
      reference::eflat_perturbation(expected, to_double(p.values), to_double(p.grads), p.table, o, p.s, sizeof(T) == 4);
  std::vector<T> e = p.e;
  const std::vector<double> norms = by_blocks(p, e, o);
  for (size_t k = 0; k < sizes.size(); ++k) {
    CAPTURE(k);
    CHECK(norms[k] == doctest::Approx(g_norm[k]).epsilon(1e-11));
    const EflatAdapter& d = p.adapters[k];
    const auto part = [&](const auto& x) { return std::span(x).subspan(d.e, d.n * d.r); };
    CHECK(difference(part(e), part(expected)).to_largest() <= tolerance);
  }
  for (int64_t i = 0; i < gap; ++i) CHECK(e[i] == p.e[i]);
}

// Ranks around the tiles of four, above every width, with several passes over z; B = 0; more than one block a side.
const std::vector<Size> kOdd = {{1, 1, 1},      {7, 5, 3, 0}, {31, 33, 4}, {33, 257, 8},  {600, 300, 8},
                                {257, 100, 16}, {5, 6, 5},    {3, 4, 8},   {100, 80, 33}, {70, 90, 48}};
const std::vector<Size> kReal = {{768, 768, 8}, {768, 768, 8, 0}, {1024, 1024, 16}};

}  // namespace

TEST_CASE("eflat on the GPU: every block, odd sizes, offsets that allow 16-byte loads and that do not") {
  EflatOptions o;
  o.beta = 0.9;
  for (const bool at_b : {false, true})
    for (const bool global : {false, true})
      for (const int64_t gap : {0, 1, 16}) {
        o.grads_at_perturbed_b = at_b;
        o.global_norm = global;
        check<double>(kOdd, gap, o, 1e-10);
        check<float>(kOdd, gap, o, 1e-6);
      }
}

TEST_CASE("eflat on the GPU: shapes of models, and the view that a bf16 forward read") {
  EflatOptions o;
  o.beta = 0.9;
  o.grads_at_perturbed_b = true;
  check<float>(kReal, 16, o, 1e-6);
  o.rounded_view = true;
  check<float>(kReal, 16, o, 1e-6);
  o.beta = 1;
  check<float>(kReal, 16, o, 1e-6);
}

TEST_CASE("eflat on the GPU: e in bf16 is what the same arithmetic gives, rounded once") {
  for (const std::vector<Size>& sizes : {kOdd, kReal})
    for (const int64_t gap : {0, 1, 16})
      for (const double beta : {1.0, 0.3}) {
        EflatOptions o;
        o.beta = beta;
        o.grads_at_perturbed_b = true;
        o.rounded_view = gap == 16;
        Problem<float> p(sizes, gap);
        std::vector<bf16> narrow;
        for (float& x : p.e) {
          narrow.emplace_back(x);
          x = static_cast<float>(narrow.back());
        }
        std::vector<float> e = p.e;
        CHECK(by_blocks(p, narrow, o) == by_blocks(p, e, o));
        bool same = true;
        for (size_t i = 0; i < e.size(); ++i) same = same && narrow[i].bits == bf16(e[i]).bits;
        CHECK(same);
      }
}

TEST_CASE("eflat on the GPU: gradients that are not finite or zero leave zeros") {
  Problem<float> p({{7, 5, 2}, {8, 6, 2}}, 0);
  p.grads[0] = NAN;
  for (size_t i = 24; i < p.grads.size(); ++i) p.grads[i] = 0;
  EflatOptions o;
  std::vector<float> e = p.e;
  const std::vector<double> norms = by_blocks(p, e, o);
  for (const float x : e) CHECK(x == 0.0f);
  CHECK(norms[1] == 0);
}

TEST_CASE("eflat: a rounded view is that of arrays which were rounded before") {
  const Problem<float> p(kReal, 16);
  Problem<float> rounded = p;
  EflatOptions o;
  o.rounded_view = true;
  for (float& x : rounded.values) x = as_read(x, o);
  for (const EflatAdapter& d : p.adapters)
    for (int64_t i = 0; i < d.n * d.r; ++i) rounded.values[d.b + i] = as_read(p.values[d.b + i] + p.e[d.e + i], o);
  const auto run = [&](const Problem<float>& from) {
    std::vector<float> e = p.e;
    std::vector<double> g_norm(kReal.size());
    cpu_v3::eflat_perturbation<float>(cpu().kernels(), e.data(), g_norm.data(), from.values.data(), from.grads.data(),
                                      p.table, o, &p.s);
    return e;
  };
  o.grads_at_perturbed_b = true;
  const std::vector<float> e = run(p);
  o.grads_at_perturbed_b = o.rounded_view = false;
  CHECK(run(rounded) == e);
}

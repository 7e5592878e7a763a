#include "kernels/eflat.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "engine/launch.h"
#include "engine/ops/ops.h"
#include "kernels/gram.h"
#include "kernels/reference/eflat.h"
#include "optim/method.h"
#include "optim/perturbation.h"
#include "tests/ops/harness.h"
#include "tests/optim/update.h"

using namespace lowland;
using namespace lowland::test;
using nn::Arena;
using nn::Role;
using reference::Matrix, reference::norm, reference::product, reference::transposed;

namespace {

enum class Kind { random, zero, tiny, deficient, nearly_deficient };

struct Case {
  int64_t n = 0, m = 0, r = 0;
  double s = 2;
  Kind a = Kind::random, b = Kind::random;
};

// Rows (rank of A) or columns (rank of B) that depend on the first one, exactly or nearly.
void fill(const Tensor& t, Kind kind, bool rows, uint64_t seed) {
  const int64_t R = t.dim(0), C = t.dim(1);
  Values v = random_values(R * C, seed, kind == Kind::zero ? 0.0 : kind == Kind::tiny ? 1e-20 : 0.1);
  const int64_t thin = rows ? R : C;
  if (kind == Kind::deficient || kind == Kind::nearly_deficient)
    for (int64_t i = 0; i < R; ++i)
      for (int64_t j = 0; j < C; ++j) {
        if ((rows ? i : j) != thin - 1) continue;
        double& x = v[i * C + j];
        const double first = v[rows ? j : i * C];
        x = -2 * first + (kind == Kind::deficient ? 0.0 : 1e-6 * x);
      }
  t.copy_from(Tensor::from<double>(t.context(), {R * C}, v));
}

// An arena with one adapter per case, filled with numbers; gradients as of the identity G_A A^T = B^T G_B.
std::unique_ptr<Arena> make_arena(Context& context, DType dtype, const std::vector<Case>& cases, uint64_t seed) {
  std::vector<nn::ArenaSpec> specs;
  std::vector<nn::AdapterSpec> adapters;
  for (size_t k = 0; k < cases.size(); ++k) {
    const Case& c = cases[k];
    const std::string name = std::to_string(k);
    specs.push_back({name + ".A", {c.r, c.m}, Role::lora_a});
    specs.push_back({name + ".B", {c.n, c.r}, Role::lora_b});
    adapters.push_back({name, name + ".A", name + ".B", c.n, c.m, c.r, c.s});
  }
  auto arena = std::make_unique<Arena>(context, dtype, specs, adapters);
  for (size_t k = 0; k < cases.size(); ++k) {
    const Case& c = cases[k];
    const std::string name = std::to_string(k);
    fill(arena->value(name + ".A"), c.a, true, seed + 10 * k);
    fill(arena->value(name + ".B"), c.b, false, seed + 10 * k + 1);
    const Values w = random_values(c.n * c.m, seed + 10 * k + 2, 0.01);  // dL/dW
    const Matrix G(c.n, c.m, w.data());
    const auto as_matrix = [&](const std::string& which) {
      const Tensor t = arena->value(name + which).to(DType::f64);
      return Matrix(t.dim(0), t.dim(1), HostBytes(t).as<double>());
    };
    const Matrix ga = product(transposed(as_matrix(".B")), G), gb = product(G, transposed(as_matrix(".A")));
    const auto store = [&](const std::string& which, const Matrix& g) {
      arena->grad(name + which).assign(reference::scale(g.x, c.s));
    };
    store(".A", ga);
    store(".B", gb);
  }
  return arena;
}

Values doubles(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

// The largest error that `update` leaves in the perturbation of an adapter, against the printed formulas.
double error_of_update(const Arena& arena, optim::EflatPerturbation& perturbation, double rho, const EflatOptions& o) {
  const int64_t origin = arena.range(Role::lora_b).begin;
  std::vector<EflatAdapter> rows;
  for (const nn::Adapter& a : arena.adapters())
    rows.push_back({a.a_offset, a.b_offset, a.b_offset - origin, a.n, a.m, a.r, a.scale});
  EflatTable table;
  table.adapters = rows.data();
  table.count = static_cast<int64_t>(rows.size());
  StepScalars s;
  s.rho = rho;
  s.t = 2;
  Values want = doubles(arena.perturbation(Role::lora_b));
  reference::eflat_perturbation(want, doubles(arena.values()), doubles(arena.grads()), table, o, s);
  update(perturbation, rho, o.beta, o.grads_at_perturbed_b);
  const Values e = doubles(arena.perturbation(Role::lora_b));
  double worst = 0;
  for (const EflatAdapter& d : rows) {
    const auto part = [&](const Values& x) { return std::span(x).subspan(d.e, d.n * d.r); };
    worst = std::max(worst, difference(part(e), part(want)).to_largest());
  }
  return worst;
}

const std::vector<Case> kCases = {{1, 1, 1},
                                  {7, 5, 3, 2.0, Kind::random, Kind::zero},
                                  {31, 33, 4, 0.5, Kind::random, Kind::tiny},
                                  {33, 31, 8, 1.0, Kind::random, Kind::deficient},
                                  {64, 40, 8, 2.0, Kind::deficient, Kind::random},
                                  {40, 64, 6, 2.0, Kind::nearly_deficient, Kind::nearly_deficient},
                                  {257, 100, 16, 0.25},
                                  {5, 6, 5},
                                  {3, 4, 8},  // rank above both widths: A and B are rank-deficient
                                  {100, 80, 33}};

}  // namespace

TEST_CASE("eflat: the Gram form gives the printed formulas' numbers") {
  for (const bool global : {false, true})
    for (const DType dtype : {DType::f64, DType::f32}) {
      const auto arena = make_arena(cpu(), dtype, kCases, 3);
      optim::EflatPerturbation perturbation(*arena, global ? "global" : "layer", 1e-3);
      const double error = error_of_update(*arena, perturbation, 0.05, {.global_norm = global});
      CHECK(error < (dtype == DType::f64 ? 1e-11 : 1e-6));
    }
}

TEST_CASE("eflat: moving average, and gradients taken at B + e") {
  const auto arena = make_arena(cpu(), DType::f64, kCases, 5);
  optim::EflatPerturbation perturbation(*arena, "layer", 1e-3);
  // e = 0: at the centre, then B + e of the first.
  CHECK(error_of_update(*arena, perturbation, 0.05, {.grads_at_perturbed_b = true}) < 1e-11);
  CHECK(error_of_update(*arena, perturbation, 0.02, {.beta = 0.3, .grads_at_perturbed_b = true}) < 1e-10);
}

TEST_CASE("eflat on the CPU: in bf16 A and B + e are the rounded numbers that the forward read") {
  Context context;  // the update's kernels work on f32 masters: the CPU has them
  const auto narrow = make_arena(context, DType::bf16, kCases, 6), wide = make_arena(context, DType::f32, kCases, 6);
  CHECK(narrow->rounded());
  CHECK_FALSE(wide->rounded());
  const auto rounded = [](const Tensor& t) { t.copy_from(t.to(DType::bf16).to(DType::f32)); };
  const auto copy = [&](const Arena& from, Arena& to) {
    to.values().copy_from(from.values());
    to.grads().copy_from(from.grads());
  };
  copy(*wide, *narrow);
  rounded(wide->values());
  optim::EflatPerturbation of_narrow(*narrow, "layer", 1e-3), of_wide(*wide, "layer", 1e-3);
  update(of_narrow, 0.05, 1.0, true);  // e = 0
  update(of_wide, 0.05, 1.0, true);
  // e is kept in bf16 there: the same numbers, rounded to nearest.
  const auto e = [](const Arena& a) {
    return a.perturbation(Role::lora_b).to(DType::bf16).to(DType::f32).to_vector<float>();
  };
  CHECK(narrow->perturbation(Role::lora_b).dtype() == DType::bf16);
  CHECK(wide->perturbation(Role::lora_b).dtype() == DType::f32);
  CHECK(e(*narrow) == e(*wide));
  CHECK(of_narrow.g_norms() == of_wide.g_norms());
  // Then B + e rounded as a sum, which the other arena holds as its B.
  for (const nn::Adapter& d : wide->adapters()) {
    const Tensor b = wide->master(d.b);
    b.copy_from(narrow->master(d.b));
    b.copy_from(ops::add(b.detach(), narrow->perturbation(d.b).to(DType::f32)));
    rounded(b);
  }
  update(of_narrow, 0.02, 1.0, true);
  update(of_wide, 0.02, 1.0, false);
  CHECK(e(*narrow) == e(*wide));
}

TEST_CASE("eflat on the CPU: e in bf16 stays within 2^-8 max|e| / beta of e in f32") {
  Context context;
  for (const double beta : {0.9, 0.3, 0.05}) {
    CAPTURE(beta);
    const auto narrow = make_arena(context, DType::f32, kCases, 8), wide = make_arena(context, DType::f32, kCases, 8);
    narrow->want_perturbation(Role::lora_b, true);
    optim::EflatPerturbation of_narrow(*narrow, "layer", 1e-3), of_wide(*wide, "layer", 1e-3);
    Difference worst;  // of gradients that change from step to step, at the centre: both see the same
    double largest = 0;
    for (int step = 0; step < 40; ++step) {
      const Values g = random_values(wide->size(), 700 + step, 0.01);
      for (const Arena* arena : {narrow.get(), wide.get()}) arena->grads().assign(g);
      update(of_narrow, 0.05, beta, false);
      update(of_wide, 0.05, beta, false);
      const Values e = doubles(wide->perturbation(Role::lora_b));
      worst.absolute = std::max(worst.absolute, difference(doubles(narrow->perturbation(Role::lora_b)), e).absolute);
      for (const double x : e) largest = std::max(largest, std::abs(x));
    }
    CHECK(worst.absolute <= 0x1p-8 * largest / beta);
    CHECK(worst.absolute > 0);
  }
}

TEST_CASE("eflat: ||g|| is that of the n x m matrix, and ||E_W|| is rho") {
  const auto arena = make_arena(cpu(), DType::f64, {{20, 30, 4}}, 9);
  optim::EflatPerturbation perturbation(*arena, "", 1e-3);
  update(perturbation, 0.05, 1.0, false);
  const auto read = [](const Tensor& t) { return Matrix(t.dim(0), t.dim(1), HostBytes(t).as<double>()); };
  const Matrix A = read(arena->value("0.A"));
  const Matrix g = reference::eflat_gradient(A, read(arena->value("0.B")), read(arena->grad("0.A")),
                                             read(arena->grad("0.B")), 2, 1e-3);
  CHECK(perturbation.g_norms()[0] == doctest::Approx(norm(g)).epsilon(1e-12));
  // s E_B A is the part of E_W that B can express: no longer than rho.
  const double length = 2 * norm(product(read(arena->perturbation("0.B")), A));
  CHECK(length <= 0.05 * (1 + 1e-12));
  CHECK(length > 0.025);
}

TEST_CASE("eflat: zero gradients give a zero perturbation, and one dead layer does not harm the others") {
  const auto arena = make_arena(cpu(), DType::f64, {{7, 5, 2}, {8, 6, 2}}, 11);
  arena->grad("0.A").fill_zero();
  arena->grad("0.B").fill_zero();
  for (const char* which : {"layer", "global"}) {
    optim::EflatPerturbation perturbation(*arena, which, 1e-3);
    const bool global = std::string(which) == "global";
    CHECK(error_of_update(*arena, perturbation, 0.05, {.global_norm = global}) < 1e-12);
    CHECK(arena->perturbation("0.B").to_vector<double>() == std::vector<double>(14, 0.0));
    CHECK(perturbation.g_norms()[0] == 0);
  }
  arena->value("1.A").fill_zero();
  arena->value("1.B").fill_zero();
  optim::EflatPerturbation perturbation(*arena, "layer", 1e-3);
  update(perturbation, 0.05, 0.9, true);
  for (const double x : arena->perturbation(Role::lora_b).to_vector<double>()) CHECK(std::isfinite(x));
}

TEST_CASE("eflat: a gradient that is not finite leaves no NaN in the perturbation") {
  const auto arena = make_arena(cpu(), DType::f32, {{7, 5, 2}, {8, 6, 2}}, 12);
  set_element(arena->grad("0.A"), 0, NAN);
  set_element(arena->grad("1.B"), 3, INFINITY);
  optim::EflatPerturbation perturbation(*arena, "layer", 1e-3);
  update(perturbation, 0.05, 1.0, false);
  for (const float x : arena->perturbation(Role::lora_b).to_vector<float>()) CHECK(x == 0.0f);
}

TEST_CASE("eflat: the same bits for every number of threads") {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    Context context({}, threads);
    const auto arena = make_arena(context, DType::f32, kCases, 13);
    optim::EflatPerturbation perturbation(*arena, "global", 1e-3);
    update(perturbation, 0.05, 1.0, false);
    update(perturbation, 0.05, 0.9, true);
    results.push_back(arena->perturbation(Role::lora_b).to_vector<float>());
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("gram: rows and columns against plain sums, f32 inputs summed in f64") {
  for (const auto& size : {std::pair<int64_t, int64_t>{1, 1}, {3, 31}, {5, 33}, {8, 768}, {33, 257}}) {
    const int64_t r = size.first, m = size.second;
    const Values x = random_values(r * m, 1), y = random_values(r * m, 2);
    const Tensor tx = Tensor::from<double>(cpu(), {r, m}, x).to(DType::f32);
    const Tensor ty = Tensor::from<double>(cpu(), {r, m}, y).to(DType::f32);
    const Tensor cx = tx.reshape({m, r}), cy = ty.reshape({m, r});
    const Tensor k = Tensor::empty(cpu(), {r, r}, DType::f64);
    LL_LAUNCH_MASTER(tx, gram_rows, k.data<double>(), tx.data<T>(), ty.data<T>(), r, m);
    const std::vector<double> rows = k.to_vector<double>();
    LL_LAUNCH_MASTER(cx, gram_columns, k.data<double>(), cx.data<T>(), cy.data<T>(), m, r);
    const std::vector<double> columns = k.to_vector<double>();
    LL_LAUNCH_MASTER(tx, gram_rows, k.data<double>(), tx.data<T>(), tx.data<T>(), r, m);
    const std::vector<double> own = k.to_vector<double>();  // of which half is computed, and mirrored
    const Values fx = tx.to(DType::f64).to_vector<double>(), fy = ty.to(DType::f64).to_vector<double>();
    CHECK(max_abs_diff(rows, reference::gram_rows(fx, fy, r, m)) < 1e-12);
    CHECK(max_abs_diff(columns, reference::gram_columns(fx, fy, m, r)) < 1e-12);
    CHECK(difference(own, reference::gram_rows(fx, fx, r, m)).to_largest(1) < 1e-12);
  }
}

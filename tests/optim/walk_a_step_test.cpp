// Recomputes docs/derivations/walk_a_step.md: the page must show the numbers that the kernel and the printed formulas
// give.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "kernels/reference/eflat.h"
#include "optim/perturbation.h"
#include "tests/ops/harness.h"
#include "tests/optim/update.h"

using namespace lowland;
using namespace lowland::test;
using nn::Role;
using reference::Matrix, reference::norm, reference::product, reference::sum, reference::transposed;

namespace {

const std::string& page() {
  static const std::string text = [] {
    std::ifstream file(test::source_dir() + "/docs/derivations/walk_a_step.md");
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
  }();
  return text;
}

void shown(double x) {
  const std::string digits = fmt::format("{:.6f}", x);
  CHECK_MESSAGE(page().find(digits) != std::string::npos, "the page does not show " << digits);
}

void set(const Tensor& t, const std::vector<double>& v) {
  t.copy_from(Tensor::from<double>(t.context(), {t.numel()}, v));
}

}  // namespace

TEST_CASE("walk_a_step.md: the page's numbers are the kernel's and the paper's") {
  const double s = 2, rho = 0.05;
  const std::vector<double> a = {1, 2, 2}, b = {3, 4}, dw = {1, 0, 2, 0, 1, -1};
  const Matrix A(1, 3, a.data()), B(2, 1, b.data()), dW(2, 3, dw.data());
  const Matrix GB = sum(product(dW, transposed(A)), Matrix(2, 1), s, 0);
  const Matrix GA = sum(product(transposed(B), dW), Matrix(1, 3), s, 0);
  CHECK(GB.x == Values{10, 0});
  CHECK(GA.x == Values{6, 8, 4});

  const Matrix g = reference::eflat_gradient(A, B, GA, GB, s, 1e-3);
  for (const double x : g.x) shown(x);
  shown(norm(g));
  shown(norm(g) * norm(g));
  shown(rho / (2 * s * s * norm(g)));

  nn::Arena arena(cpu(), DType::f64, {{"A", {1, 3}, Role::lora_a}, {"B", {2, 1}, Role::lora_b}},
                  {{"layer", "A", "B", 2, 3, 1, s}});
  optim::EflatPerturbation perturbation(arena, "layer", 1e-3);
  set(arena.value("A"), a);
  set(arena.value("B"), b);
  set(arena.grad("A"), {6, 8, 4});
  set(arena.grad("B"), {10, 0});
  update(perturbation, rho, 1.0, false);
  CHECK(perturbation.g_norms()[0] == doctest::Approx(norm(g)).epsilon(1e-14));
  const Values e = arena.perturbation("B").to_vector<double>();
  const Matrix expected = reference::eflat_step(A, g, norm(g), s, rho, 1e-3);
  const double average[] = {0.1 * 0.01 + 0.9 * e[0], 0.9 * e[1]};
  for (size_t i = 0; i < 2; ++i) {
    CHECK(e[i] == doctest::Approx(expected.x[i]).epsilon(1e-14));
    shown(e[i]);
    shown(b[i] + e[i]);
    shown(average[i]);
  }
}

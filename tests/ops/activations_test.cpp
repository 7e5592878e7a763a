// Every activation by the same cases: a new one is a row here and in activation_limits.h.
#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/activation_limits.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

struct Row {
  const char* name;
  Tensor (*op)(const Tensor&);
  const Curve& curve;
};
constexpr double kCap = 1.5;
constexpr Curve kCapped{[](const Values& x) { return reference::soft_cap_forward(x, kCap); },
                        [](const Values& dy, const Values& x) {
                          return reference::soft_cap_backward(dy, reference::soft_cap_forward(x, kCap), kCap);
                        },
                        -kCap,
                        kCap,
                        0,
                        0};
const Row kPlain[] = {{"gelu", ops::gelu, kGelu},
                      {"gelu_tanh", ops::gelu_tanh, kGeluTanh},
                      {"soft_cap", [](const Tensor& x) { return ops::soft_cap(x, kCap); }, kCapped},
                      {"quick_gelu", ops::quick_gelu, kQuickGelu},
                      {"relu", ops::relu, kRelu},
                      {"tanh", ops::tanh, kTanh}};
struct GatedRow {
  const char* name;
  Tensor (*op)(const Tensor&);
  Values (*forward)(const Values& x, int64_t N, int64_t F);
  Values (*backward)(const Values& dy, const Values& x, int64_t N, int64_t F);
  const Curve& curve;  // of the gate
};
const GatedRow kGated[] = {{"swiglu", ops::swiglu, reference::swiglu_forward, reference::swiglu_backward, kSilu},
                           {"geglu", ops::geglu, reference::geglu_forward, reference::geglu_backward, kGeluTanh}};

struct Result {
  Values x, y, dx;  // x: as rounded
};
template <class Row>
Result forward_and_back(const Row& row, const Shape& shape, const Values& x, const Values& dy, DType dtype) {
  Tensor in = Tensor::from<double>(cpu(), shape, x).to(dtype);
  in.set_requires_grad();
  const Tensor y = row.op(in);
  cpu().tape().backward_to(0, y, Tensor::from<double>(cpu(), y.shape(), dy).to(dtype));
  const auto values = [](const Tensor& t) { return t.to(DType::f64).to_vector<double>(); };
  return {values(in), values(y), values(in.grad())};
}

// Every lane of a vector has the result that is meant; NaN: none is a number.
void check_lanes(const Values& got, double meant) {
  for (const double v : got) CHECK((std::isnan(meant) ? std::isnan(v) : v == meant));
}

}  // namespace

TEST_CASE("activations: values and gradients") {
  for (const Row& row : kPlain)
    for (const double size : {0.1, 1.0, 4.0})
      for (const Shape& shape : std::vector<Shape>{{1}, {31}, {3, 33}, {257, 65}, {5, 3072}, {5, 4096}})
        check_op(
            {.name = row.name + (" " + to_string(shape)) + " of size " + std::to_string(size),
             .inputs = {{.shape = shape, .scale = size}},
             .run = [&row](const Tensors& in) { return row.op(in[0]); },
             .forward = [&row](const Arrays& in) { return row.curve.forward(in[0]); },
             .backward = [&row](const Arrays& in, const Values& dy) { return Arrays{row.curve.backward(dy, in[0])}; }});
}

TEST_CASE("gated activations: values and gradients") {
  for (const GatedRow& row : kGated)
    for (const auto& [n, f] : {std::pair<int64_t, int64_t>{1, 1}, {3, 31}, {33, 33}, {70, 257}, {5, 2048}}) {
      const int64_t N = n, F = f;
      check_op({.name = row.name + (" N " + std::to_string(N)) + " F " + std::to_string(F),
                .inputs = {{.shape = {N, 2 * F}, .scale = 2.0}},
                .run = [&](const Tensors& in) { return row.op(in[0]); },
                .forward = [&](const Arrays& in) { return row.forward(in[0], N, F); },
                .backward = [&](const Arrays& in, const Values& dy) { return Arrays{row.backward(dy, in[0], N, F)}; }});
    }
}

TEST_CASE("activations: the gradient in f32 and f64 is that of the formula") {
  const int64_t n = 3001;
  const Values x = random_values(n, 5, 3.0), dy = random_values(n, 6);
  for (const Row& row : kPlain)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(row.name);
      const Result r = forward_and_back(row, {n}, x, dy, dtype);
      CHECK(max_abs_diff(r.dx, row.curve.backward(dy, r.x)) <= (dtype == DType::f64 ? 1e-14 : 2e-6));
    }
}

TEST_CASE("gated activations: value and gradient in f32 and f64 are those of the formula") {
  const int64_t N = 3, F = 300;
  const Values x = random_values(N * 2 * F, 5, 3.0), dy = random_values(N * F, 7);
  for (const GatedRow& row : kGated)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(row.name);
      const Result r = forward_and_back(row, {N, 2 * F}, x, dy, dtype);
      const double bound = dtype == DType::f64 ? 2e-14 : 2e-6;
      CHECK(difference(r.y, row.forward(r.x, N, F)).relative <= bound);
      CHECK(difference(r.dx, row.backward(dy, r.x, N, F)).relative <= bound);
    }
}

TEST_CASE("activations: limits and NaN, in every lane of a vector") {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  for (const Row& row : kPlain)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(row.name);
      const auto check = [&](double x, double y, double slope) {
        const Result r = forward_and_back(row, {40}, Values(40, x), Values(40, 2.0), dtype);
        check_lanes(r.y, y);
        check_lanes(r.dx, 2 * slope);
      };
      check(kInfinity, row.curve.high, row.curve.high_slope);
      check(-kInfinity, row.curve.low, row.curve.low_slope);
      check(kNaN, kNaN, kNaN);
      check(0, row.curve.value(0), row.curve.slope(0));
    }
}

TEST_CASE("gated activations: the gate's limits and NaN, in every lane of a vector") {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  for (const GatedRow& row : kGated)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(row.name);
      const auto check = [&](double gate, double value, double slope) {
        Values x(80, gate);
        std::fill(x.begin() + 40, x.end(), 3.0);
        const Result r = forward_and_back(row, {1, 80}, x, Values(40, 2.0), dtype);
        check_lanes(r.y, 3 * value);
        check_lanes({r.dx.begin(), r.dx.begin() + 40}, 2 * 3 * slope);
        check_lanes({r.dx.begin() + 40, r.dx.end()}, 2 * value);
      };
      check(kInfinity, row.curve.high, row.curve.high_slope);
      check(-kInfinity, row.curve.low, row.curve.low_slope);
      check(kNaN, kNaN, kNaN);
      check(0, row.curve.value(0), row.curve.slope(0));
    }
}

TEST_CASE("soft_cap: a cap that is not above 0 is refused") {
  CHECK_THROWS_WITH_AS(ops::soft_cap(Tensor::zeros(cpu(), {2}, DType::f32), 0),
                       "[soft_cap] the cap must be above 0, got 0", Error);
}

TEST_CASE("activations: integers are refused") {
  const Tensor x = Tensor::zeros(cpu(), {1, 4}, DType::i32);
  for (const Row& row : kPlain) CHECK_THROWS_WITH_AS(row.op(x), "compute on i32 is not available on cpu", Error);
  for (const GatedRow& row : kGated) CHECK_THROWS_WITH_AS(row.op(x), "compute on i32 is not available on cpu", Error);
}

TEST_CASE("gated activations: an odd width is refused") {
  for (const GatedRow& row : kGated) {
    const std::string message =
        "[" + std::string(row.name) + "] x must be (N, 2 F): gate and up side by side | x: (2,3) f32 cpu";
    CHECK_THROWS_WITH_AS(row.op(Tensor::zeros(cpu(), {2, 3}, DType::f32)), message.c_str(), Error);
  }
}

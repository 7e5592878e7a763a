#include "tests/ops/harness.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "engine/autograd.h"
#include "kernels/common/philox.h"
#include "tests/emulator.h"

namespace lowland::test {

std::string source_dir() {
  const char* value = std::getenv("LL_SOURCE_DIR");
  return value == nullptr || *value == 0 ? LL_SOURCE_DIR : value;
}

std::string test_device() {
  const char* value = std::getenv("LL_TEST_DEVICE");
  return value == nullptr || *value == 0 ? "cpu" : value;
}

std::unique_ptr<Context> make_test_context(int threads) {
  const std::string device = test_device();
  if (device == "emulated") return std::make_unique<Context>(threads, make_emulator(threads > 0 ? threads : 2));
  return std::make_unique<Context>(Device{device == "cpu" ? DeviceType::cpu : DeviceType::cuda, 0}, threads);
}

Context& cpu() {
  static const std::unique_ptr<Context> context = make_test_context();
  return *context;
}

Values random_values(int64_t n, uint64_t seed, double scale) {
  Values v(static_cast<size_t>(n));
  uint64_t state = mix64(seed);
  for (double& x : v) {
    state = mix64(state);
    x = (static_cast<double>(state >> 11) * 0x1.0p-53 * 2.0 - 1.0) * std::sqrt(3.0) * scale;
  }
  return v;
}

void set_element(const Tensor& t, int64_t index, double value) {
  t.detach().reshape({t.numel()}).slice_rows(index, index + 1).assign<double>({value});
}

double max_abs_diff(const Values& a, const Values& ref) {
  REQUIRE(a.size() == ref.size());
  return difference(a, ref).absolute;
}

namespace {

std::vector<Tensor> tensors_of(const OpCase& c, const std::vector<Values>& values, DType dtype) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < values.size(); ++i)
    out.push_back(Tensor::from<double>(cpu(), c.inputs[i].shape, values[i]).to(dtype));
  return out;
}

Values to_values(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

// Fixed numbers, as many as the op's result has.
Values projection(const OpCase& c, const std::vector<Values>& values) {
  NoGrad guard(cpu());
  return random_values(c.run(tensors_of(c, values, DType::f64)).numel(), 99);
}

// sum_i y_i p_i: a scalar whose gradient with respect to y is p.
double projected(const OpCase& c, const std::vector<Values>& values, const Values& p) {
  NoGrad guard(cpu());
  const Values y = to_values(c.run(tensors_of(c, values, DType::f64)));
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) sum += y[i] * p[i];
  return sum;
}

// The gradients of the marked inputs after so many backward passes, all from p; empty for the others.
std::vector<Values> gradients_of(const OpCase& c, const std::vector<Values>& values, DType dtype, const Values& p,
                                 int passes) {
  std::vector<Tensor> inputs = tensors_of(c, values, dtype);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (c.inputs[i].differentiate) inputs[i].set_requires_grad();
  for (int pass = 0; pass < passes; ++pass) {
    const Tensor y = c.run(inputs);
    cpu().tape().backward_to(0, y, Tensor::from<double>(cpu(), y.shape(), p).to(dtype));
    CHECK(cpu().tape().size() == 0);
  }
  std::vector<Values> gradients(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!c.inputs[i].differentiate) continue;
    REQUIRE(inputs[i].grad().defined());
    gradients[i] = to_values(inputs[i].grad());
  }
  return gradients;
}

// Against central differences; in f32 against those in f64; and a second pass adds to the first.
void check_gradients(const OpCase& c, const std::vector<Values>& values) {
  if (std::none_of(c.inputs.begin(), c.inputs.end(), [](const Input& in) { return in.differentiate; })) return;
  const Values p = projection(c, values);
  const std::vector<Values> once = gradients_of(c, values, DType::f64, p, 1);
  const std::vector<Values> twice = gradients_of(c, values, DType::f64, p, 2);
  const std::vector<Values> narrow = gradients_of(c, values, DType::f32, p, 1);
  for (size_t i = 0; i < once.size(); ++i) {
    if (!c.inputs[i].differentiate) continue;
    INFO("gradient of input " << i);
    const Values& g = once[i];
    // The emulated device computes as the CPU does, slowly: it is there for who touches memory, not for more digits.
    const size_t n = g.size(), stride = std::max<size_t>(1, n / (test_device() == "emulated" ? 3 : 23));
    Difference numeric;
    for (size_t k = 0; k < n; k += stride) {
      std::vector<Values> moved = values;
      const double h = 1e-5;
      moved[i][k] = values[i][k] + h;
      const double up = projected(c, moved, p);
      moved[i][k] = values[i][k] - h;
      const double down = projected(c, moved, p);
      numeric.add(g[k], (up - down) / (2 * h));
    }
    const double size = max_abs_diff(g, Values(n));
    CHECK(std::isfinite(size));  // entries between those that were moved as well
    CHECK(numeric.absolute <= c.tolerance_grad * std::max(1.0, size));
    CHECK(difference(narrow[i], g).to_largest(1) <= 20 * c.tolerance_f32);
    Values doubled = g;
    for (double& x : doubled) x *= 2;
    CHECK(difference(twice[i], doubled).to_largest(1) <= 1e-12);
  }
}

// The inputs are rounded first: what is left is the rounding of the op itself.
void check_bf16(const OpCase& c, const std::vector<Values>& values) {
  const std::vector<Tensor> inputs = tensors_of(c, values, DType::bf16);
  std::vector<Values> rounded;
  for (const Tensor& t : inputs) rounded.push_back(to_values(t));
  const Values ref = c.oracle(rounded);
  CHECK(difference(to_values(c.run(inputs)), ref).to_largest(1) <= c.tolerance_bf16);
}

}  // namespace

void check_op(const OpCase& c) {
  INFO("case " << c.name);
  std::vector<Values> values;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const Input& in = c.inputs[i];
    values.push_back(in.values.empty() ? random_values(numel_of(in.shape), 17 * (i + 1), in.scale) : in.values);
  }
  if (c.oracle) {
    const Values ref = c.oracle(values);
    NoGrad guard(cpu());
    CHECK(difference(to_values(c.run(tensors_of(c, values, DType::f64))), ref).to_largest(1) <= c.tolerance_f64);
    CHECK(difference(to_values(c.run(tensors_of(c, values, DType::f32))), ref).to_largest(1) <= c.tolerance_f32);
    if (test_device() == "cuda" && c.tolerance_bf16 > 0) check_bf16(c, values);
  }
  check_gradients(c, values);
}

}  // namespace lowland::test

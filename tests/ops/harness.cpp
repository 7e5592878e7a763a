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

namespace {
Context* stand_in = nullptr;  // in the place of the shared Context
}

Context& cpu() {
  static const std::unique_ptr<Context> context = make_test_context();
  return stand_in != nullptr ? *stand_in : *context;
}

Values random_values(int64_t n, uint64_t seed, double scale) {
  Values v(n);
  uint64_t state = mix64(seed);
  for (double& x : v) {
    state = mix64(state);
    x = (static_cast<double>(state >> 11) * 0x1.0p-53 * 2.0 - 1.0) * std::sqrt(3.0) * scale;
  }
  return v;
}

Values to_values(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

Tensor random_tensor(const Shape& shape, uint64_t seed, double scale) {
  return Tensor::from<double>(cpu(), shape, random_values(numel_of(shape), seed, scale));
}

void set_element(const Tensor& t, int64_t index, double value) {
  t.detach().reshape({t.numel()}).slice_rows(index, index + 1).assign<double>({value});
}

double max_abs_diff(const Values& a, const Values& ref) {
  REQUIRE(a.size() == ref.size());
  return difference(a, ref).absolute;
}

namespace {

Tensors tensors_of(const OpCase& c, const Arrays& values, DType dtype) {
  Tensors out;
  for (size_t i = 0; i < values.size(); ++i)
    out.push_back(Tensor::from<double>(cpu(), c.inputs[i].shape, values[i]).to(dtype));
  return out;
}

// sum_i y_i p_i with fixed p: a scalar whose gradient with respect to y is p.
double projected(const OpCase& c, const Arrays& values, const Values& p) {
  NoGrad guard(cpu());
  const Values y = to_values(c.run(tensors_of(c, values, DType::f64)));
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) sum += y[i] * p[i];
  return sum;
}

// g, the gradient of input i in f64, at some of its elements.
void check_differences(const OpCase& c, const Arrays& values, const Values& p, size_t i, const Values& g) {
  // The emulated device computes as the CPU does, slowly: it is there for who touches memory, not for more digits.
  const size_t n = g.size(), stride = std::max<size_t>(1, n / (test_device() == "emulated" ? 3 : 23));
  Difference numeric;
  for (size_t k = 0; k < n; k += stride) {
    Arrays moved = values;
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
}

// The inputs are rounded first: what is left is the rounding of the op itself.
void check_type(const OpCase& c, const Arrays& values, DType dtype, double tolerance, double tolerance_backward) {
  INFO(name_of(dtype));
  Tensors inputs = tensors_of(c, values, dtype);
  Arrays rounded;
  for (const Tensor& t : inputs) rounded.push_back(to_values(t));
  const Values ref = c.forward(rounded);
  {
    NoGrad guard(cpu());
    CHECK(difference(to_values(c.run(inputs)), ref).to_largest(1) <= tolerance);
  }
  bool any = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (c.inputs[i].differentiate) inputs[i].set_requires_grad();
    any = any || c.inputs[i].differentiate;
  }
  if (!any) return;
  const DType results = dtype == DType::bf16 ? DType::f32 : dtype;  // of a loss, and of gradients of leaves
  const auto pass = [&] {  // forward and backward; the gradient of the output, as the type rounds it
    const Tensor y = c.run(inputs);
    CHECK((y.dtype() == dtype || (y.numel() == 1 && y.dtype() == results)));
    CHECK(difference(to_values(y), ref).to_largest(1) <= tolerance);
    Tensor dy = Tensor::from<double>(cpu(), y.shape(), random_values(y.numel(), 99)).to(y.dtype());
    const Values p = to_values(dy);
    cpu().tape().backward_to(0, y, std::move(dy));
    CHECK(cpu().tape().size() == 0);
    return p;
  };
  const Values p = pass();
  const Arrays gradients = c.backward(rounded, p);
  Arrays once(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!c.inputs[i].differentiate) continue;
    INFO("gradient of input " << i);
    REQUIRE(inputs[i].grad().defined());
    CHECK(inputs[i].grad().dtype() == results);
    once[i] = to_values(inputs[i].grad());
    CHECK(difference(once[i], gradients.at(i)).to_largest(1) <= tolerance_backward);
    if (dtype == DType::f64) check_differences(c, values, p, i, once[i]);
  }
  if (dtype != DType::f64) return;
  pass();
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!c.inputs[i].differentiate) continue;
    INFO("gradient of input " << i << " after a second pass");
    for (double& g : once[i]) g *= 2;
    CHECK(difference(to_values(inputs[i].grad()), once[i]).to_largest(1) <= 1e-12);
  }
}

// Both passes in bf16 without a kernel.
void check_bf16_types(const OpCase& c, const Arrays& values) {
  INFO("bf16 on the meta device");
  Context meta({DeviceType::meta}, cpu().threads());
  struct StandIn {
    explicit StandIn(Context& context) { stand_in = &context; }
    ~StandIn() { stand_in = nullptr; }
    StandIn(const StandIn&) = delete;
    StandIn& operator=(const StandIn&) = delete;
  } const of_this(meta);
  Tensors inputs = tensors_of(c, values, DType::bf16);
  bool any = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (c.inputs[i].differentiate) inputs[i].set_requires_grad();
    any = any || c.inputs[i].differentiate;
  }
  const Tensor y = c.run(inputs);
  CHECK(y.dtype() == (y.numel() == 1 && y.dtype() != DType::bf16 ? DType::f32 : DType::bf16));  // a loss is f32
  if (!any) return;
  meta.tape().backward_to(0, y, Tensor::zeros_like(y));
  for (size_t i = 0; i < inputs.size(); ++i)
    if (c.inputs[i].differentiate) CHECK(inputs[i].grad().shape() == inputs[i].shape());
}

}  // namespace

void check_op(const OpCase& c) {
  INFO("case " << c.name);
  Arrays values;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const Input& in = c.inputs[i];
    values.push_back(in.values.empty() ? random_values(numel_of(in.shape), 17 * (i + 1), in.scale) : in.values);
  }
  check_type(c, values, DType::f64, c.tolerance_f64, c.tolerance_backward_f64);
  check_type(c, values, DType::f32, c.tolerance_f32, c.tolerance_backward_f32);
  if (c.tolerance_bf16 == 0) return;
  if (test_device() == "emulated") {
    check_bf16_types(c, values);
  } else {
    check_type(c, values, DType::bf16, c.tolerance_bf16, c.tolerance_bf16);
  }
}

}  // namespace lowland::test

// One declarative case checks an op on the device that LL_TEST_DEVICE names: its value in f64, f32 (a GPU: bf16 too)
// against a plain double-precision oracle; the gradient of every input that is marked, in f64 against central
// differences, in f32 against that of f64; and that a second backward pass adds to the first.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "kernels/common/difference.h"

namespace lowland::test {

using Values = std::vector<double>;

struct Input {
  Shape shape;
  bool differentiate = true;
  double scale = 1.0;  // standard deviation of the random values
  Values values = {};  // given values instead of random ones
};

struct OpCase {
  std::string name;
  std::vector<Input> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> run;
  std::function<Values(const std::vector<Values>&)> oracle;  // flat, row-major; absent: gradients only
  double tolerance_f32 = 2e-6;                               // max |y - ref| / max(1, max|ref|)
  double tolerance_f64 = 1e-12;
  double tolerance_bf16 = 2e-2;  // against the oracle of the inputs rounded to bf16; 0: no bf16 for this op
  double tolerance_grad = 1e-7;  // |analytic - numeric| / max(1, max|analytic|), finite differences in f64
};

// Runs the case with doctest CHECKs.
void check_op(const OpCase& op_case);

// The repository's root, or the folder that LL_SOURCE_DIR in the environment names: a bundle for another machine.
std::string source_dir();

// Uniform values in [-sqrt(3) s, sqrt(3) s], a function of the seed only.
Values random_values(int64_t n, uint64_t seed, double scale = 1.0);

// The Context that the tests share: the CPU's, or as LL_TEST_DEVICE says: `cuda`, or `emulated` (tests/emulator.h).
Context& cpu();
// A Context of one's own on that device.
std::unique_ptr<Context> make_test_context(int threads = 0);
// "cpu", "cuda" or "emulated". Where it is "cuda" and no GPU can be used, the program says so and ends well before
// any test.
std::string test_device();

// Writes one element, counted over the whole tensor.
void set_element(const Tensor& t, int64_t index, double value);

// The largest |a - ref|: infinite where one of them is NaN (kernels/common/difference.h).
double max_abs_diff(const Values& a, const Values& ref);

}  // namespace lowland::test

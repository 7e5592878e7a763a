// One declarative case checks an op: its value and the gradient of every input that is marked, in f64 and f32, against
// kernels/reference; the gradients in f64 against central differences, which prove it, too; that a second backward pass
// adds to the first. In bf16 as well, whose arithmetic is f32: the same numbers but for what is rounded. All on the
// device that LL_TEST_DEVICE names: the same cases serve the CPU and a GPU. On the emulated device both passes run in
// bf16 without a kernel, on the meta device: what an op refuses shows.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "kernels/common/difference.h"
#include "kernels/reference/reference.h"

namespace lowland::test {

using Values = std::vector<double>;
using Arrays = std::vector<Values>;
using Tensors = std::vector<Tensor>;

struct Input {
  Shape shape;
  bool differentiate = true;
  double scale = 1.0;  // standard deviation of the random values
  Values values = {};  // given values instead of random ones
};

struct OpCase {
  std::string name;
  std::vector<Input> inputs;
  std::function<Tensor(const Tensors&)> run;
  // By kernels/reference, flat and row-major: the value, and from dy the gradient of each input, in their order.
  std::function<Values(const Arrays&)> forward;
  std::function<Arrays(const Arrays&, const Values& dy)> backward;
  // The largest |y - ref| / max(1, max|ref|) of inputs that are rounded to the type: of values, and of gradients.
  double tolerance_f32 = 2e-6, tolerance_f64 = 1e-12;
  double tolerance_bf16 = 2e-2;  // of both: five roundings by 2^-8. 0: no bf16 for this op
  double tolerance_backward_f32 = 5e-6, tolerance_backward_f64 = 1e-12;
  double tolerance_grad = 1e-7;  // |analytic - numeric| / max(1, max|analytic|), finite differences in f64
};

// Runs the case with doctest CHECKs.
void check_op(const OpCase& op_case);

// The repository's root, or the folder that LL_SOURCE_DIR in the environment names: a bundle for another machine.
std::string source_dir();

// Uniform values in [-sqrt(3) s, sqrt(3) s], a function of the seed only.
Values random_values(int64_t n, uint64_t seed, double scale = 1.0);

Values to_values(const Tensor& t);  // of any type
// random_values as f64, on cpu().
Tensor random_tensor(const Shape& shape, uint64_t seed, double scale = 1.0);

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

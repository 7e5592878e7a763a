// One declarative case checks an op four ways: its value in f64 and f32 against a plain double-precision
// oracle, and its gradients in f64 against central differences, for every input that is marked.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"

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
  double tolerance_f32 = 2e-6;   // max |y - ref| / max(1, max|ref|)
  double tolerance_f64 = 1e-12;
  double tolerance_grad = 1e-7;  // |analytic - numeric| / max(1, max|analytic|), finite differences in f64
};

// Runs the case with doctest CHECKs.
void check_op(const OpCase& op_case);

// Uniform values in [-sqrt(3) s, sqrt(3) s], a function of the seed only.
Values random_values(int64_t n, uint64_t seed, double scale = 1.0);

Context& cpu();  // the Context that the tests share

double max_abs_diff(const Values& a, const Values& b);

}  // namespace lowland::test

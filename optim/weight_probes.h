// WeightProbes: a matrix E (out, in) beside the weight of each adapted layer, y += x E^T (nn::Linear::set_probe), so
// that W + E can be looked at, and dL/dW be had, without touching W or its dtype. E is zero at first. A model without
// adapters gets probes on all its linear layers. Rows of a packed weight that no adapter changes do not count.
// Memory: E in the model's dtype and, where it is asked for, one array of acc_t for the gradient.
#pragma once
#include <functional>
#include <utility>
#include <vector>

#include "nn/model.h"

namespace lowland::optim {

// What a probe is measured with: the mean loss over fixed examples, at whatever the forward reads, without dropout;
// with `backward` it also runs the backward pass into the arena's gradients, which are zero before.
using ProbeLoss = std::function<double(bool backward)>;

class WeightProbes {
 public:
  struct Probe {
    nn::Linear* linear;
    Tensor e;         // (out, in), what the forward adds to W
    Tensor gradient;  // (out, in), dL/dW after freeze_gradients(); absent where it was not asked for
    std::vector<std::pair<int64_t, int64_t>> rows;  // [begin, end) that adapters change
  };

  WeightProbes(nn::Model& model, bool with_gradients);
  ~WeightProbes();  // takes the probes off again whatever happens
  WeightProbes(const WeightProbes&) = delete;
  WeightProbes& operator=(const WeightProbes&) = delete;

  const std::vector<Probe>& all() const { return probes_; }
  // The gradients are complete: no later backward adds to them, and rows that do not count become zero.
  void freeze_gradients();

 private:
  std::vector<Probe> probes_;
};

// Rows of x (out, ...) outside of `rows` become zero.
void keep_rows(const Tensor& x, const std::vector<std::pair<int64_t, int64_t>>& rows);

}  // namespace lowland::optim

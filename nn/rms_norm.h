// RmsNorm: the weight of a root-mean-square normalisation.
#pragma once
#include "nn/parameter.h"
#include "nn/rows.h"

namespace lowland::nn {

class RmsNorm {
 public:
  RmsNorm(ParameterSet& set, const std::string& module, int64_t width, double eps)
      : weight_(&set.add(module + ".weight", {width}, Init::ones, false)), eps_(eps) {}

  // x (N, C) -> (N, C)
  Tensor forward(const Tensor& x) const { return ops::rms_norm(x, weight_->value, eps_); }
  // residual + x, and its norm   x, residual (N, C)
  AddNorm forward(const Tensor& x, const Tensor& residual) const {
    return ops::add_rms_norm(x, residual, weight_->value, eps_);
  }

 private:
  Parameter* weight_;
  double eps_;
};

}  // namespace lowland::nn

// RmsNorm: the weight of a root-mean-square normalisation, or what is added to 1 to be it (Gemma).
#pragma once
#include "nn/parameter.h"
#include "nn/rows.h"

namespace lowland::nn {

class RmsNorm {
 public:
  RmsNorm(ParameterSet& set, const std::string& module, int64_t width, double eps, bool plus_one = false)
      : weight_(&set.add(module + ".weight", {width}, plus_one ? Init::zeros : Init::ones, false)),
        eps_(eps),
        plus_one_(plus_one) {}

  // x (N, C) -> (N, C)
  Tensor forward(const Tensor& x) const {
    return plus_one_ ? ops::head_norm(x, {weight_->value, {}, 1, 0}, eps_, 1) : ops::rms_norm(x, weight_->value, eps_);
  }
  // residual + x, and its norm   x, residual (N, C)
  AddNorm forward(const Tensor& x, const Tensor& residual) const {
    if (!plus_one_) return ops::add_rms_norm(x, residual, weight_->value, eps_);
    const Tensor sum = ops::add(residual, x);
    return {sum, forward(sum)};
  }
  // Of the heads of packed rows: the first `heads` by this weight, the next by that of `keys`.   x (N, W) -> (N, W)
  Tensor forward_heads(const Tensor& x, int64_t heads, const RmsNorm& keys, int64_t key_heads) const {
    return ops::head_norm(x, {weight_->value, keys.weight_->value, heads, key_heads}, eps_, plus_one_ ? 1 : 0);
  }

 private:
  Parameter* weight_;
  double eps_;
  bool plus_one_;
};

}  // namespace lowland::nn

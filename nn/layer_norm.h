// LayerNorm: parameters of a layer normalisation; forward alone, or of a residual sum.
#pragma once
#include "nn/parameter.h"
#include "nn/rows.h"

namespace lowland::nn {

class LayerNorm {
 public:
  LayerNorm(ParameterSet& set, const std::string& module, int64_t width, double eps)
      : weight_(&set.add(module + ".weight", {width}, Init::ones, false)),
        bias_(&set.add(module + ".bias", {width}, Init::zeros, false)),
        eps_(eps) {}

  // x (N, C) -> (N, C)
  Tensor forward(const Tensor& x) const { return ops::layer_norm(x, weight_->value, bias_->value, eps_); }
  // residual + x, and its norm   x, residual (N, C)
  AddNorm forward(const Tensor& x, const Tensor& residual) const {
    return ops::add_layer_norm(x, residual, weight_->value, bias_->value, eps_);
  }
  // layer_norm(residual + dropout(x))   x, residual (N, C) -> (N, C)
  Tensor forward(const Tensor& x, const Tensor& residual, const Dropout& dropout) const {
    return ops::dropout_add_layer_norm(x, residual, weight_->value, bias_->value, eps_, dropout);
  }

 private:
  Parameter* weight_;
  Parameter* bias_;
  double eps_;
};

}  // namespace lowland::nn

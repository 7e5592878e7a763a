// Embedding: a table of learned rows.
#pragma once
#include "nn/parameter.h"
#include "nn/rows.h"

namespace lowland::nn {

class Embedding {
 public:
  Embedding(ParameterSet& set, const std::string& module, int64_t entries, int64_t width)
      : weight_(&set.add(module + ".weight", {entries, width}, Init::normal, true)) {}

  // ids (N) i32 -> (N, C)
  Tensor forward(const Tensor& ids) const { return ops::embedding(ids, weight_->value); }
  Parameter& weight() const { return *weight_; }

 private:
  Parameter* weight_;
};

}  // namespace lowland::nn

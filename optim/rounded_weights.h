// Weights as a file of fewer bits would hold them: what a model computes once its adapters are merged and its linear
// layers quantised, without either being done. Row by row W = W0 + s B A is rounded, and Q(W) - W stands beside the
// frozen weight as a probe (nn::Linear::set_probe) for as long as this lives:
//   y = x (W0 + Q(W) - W)^T + s (x A^T) B^T = x Q(W)^T
// Embeddings, norms, biases and whatever is trained whole, such as a head, stay as they are. Memory: an array of the
// linear layers' size in the model's dtype.
#pragma once
#include <functional>
#include <vector>

#include "nn/model.h"

namespace lowland::optim {

class RoundedWeights {
 public:
  // Rounds a row in place.
  using Round = std::function<void(float* row, int64_t columns)>;

  // Throws Error while a PerturbedView is alive.
  RoundedWeights(nn::Model& model, const Round& round);
  ~RoundedWeights();
  RoundedWeights(const RoundedWeights&) = delete;
  RoundedWeights& operator=(const RoundedWeights&) = delete;

 private:
  std::vector<nn::Linear*> linears_;
};

}  // namespace lowland::optim

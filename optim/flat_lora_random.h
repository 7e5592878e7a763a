// Flat-LoRA by random perturbation (arXiv:2409.14396): one pass a step, at W + noise, drawn for each step.
//   row i of the noise is normal with deviation sigma_t ||W_i|| / sqrt(m)
//   W = W0 + s B A      sigma_t = sigma (1 - cos(pi t / T)) / 2
// The noise is drawn again in the backward and never stored (kernels/weight_noise.h): W0 keeps its bits. Linear maps
// with a pair have it; embeddings have none.
// cost       no pass; one weight matrix at a time beside the frozen one; two draws for each adapted weight
#pragma once
#include "optim/method.h"

namespace lowland::optim {

class FlatLoraRandom final : public Method {
 public:
  FlatLoraRandom(const MethodRow& row, nn::Arena& arena, const MethodOptions& options) : Method(row, arena, options) {
    arena.want_noise(&scalars()->rho);
  }
  ~FlatLoraRandom() override { arena_.want_noise(nullptr); }
  nn::PerturbedView training_view() override { return nn::PerturbedView(arena_); }
};

}  // namespace lowland::optim

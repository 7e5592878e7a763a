// What the adapters look like: numbers to follow over training. All at the centre; nothing is changed.
//   balancedness   (||B||_F^2 - ||A||_F^2) / 2, constant under gradient flow (Fig. 4 of arXiv 2508.00522)
//   condition      largest over smallest singular value, from the eigenvalues of the Gram matrix
#pragma once
#include <string>
#include <vector>

#include "nn/arena.h"

namespace lowland::optim {

struct AdapterProbe {
  std::string module;
  double norm_a = 0, norm_b = 0;  // Frobenius
  double balancedness = 0;
  double condition_a = 0, condition_b = 0;  // 0 for a zero matrix; infinite at or above 1e7, where f64 cannot tell
  double perturbation_norm = 0;             // of B's perturbation; 0 where no method keeps one
};

// One for each adapter, in the arena's order. Throws Error while a perturbed view is open.
std::vector<AdapterProbe> probe_adapters(const nn::Arena& arena);

}  // namespace lowland::optim

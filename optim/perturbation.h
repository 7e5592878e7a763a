// The perturbation E_B of all adapters of an arena, by kernels/eflat.h.
#pragma once
#include <string>
#include <vector>

#include "kernels/eflat.h"
#include "nn/arena.h"
#include "optim/step_state.h"

namespace lowland::optim {

// The adapters of an arena as kernels read them.
class AdapterTable {
 public:
  explicit AdapterTable(const nn::Arena& arena);
  const EflatTable& table() const { return table_; }
  // Squared norms of s B A, or where x is there (the arena's layout) of what it changes by: kernels/adapter_norms.h.
  void norms(const Tensor& out, const Tensor& values, const Tensor& x = {}) const;
  double norm_of_all(const Tensor& values) const;  // sqrt(sum of ||s B A||_F^2); waits
  Tensor numbers() const;                          // (adapters) f64, zero: room for norms

 private:
  Tensor rows_;  // of table_, as words of 8 bytes
  EflatTable table_;
};

class EflatPerturbation {
 public:
  // norm: "layer" (or empty) or "global". relative: the radius of an adapter is rho ||s B A||_F of its own, at the
  // centre. Asks the arena for a perturbation of B, in bf16 where the forward reads bf16.
  EflatPerturbation(nn::Arena& arena, const std::string& norm, double rcond, bool relative = false);

  // e <- (1 - beta) e + beta E_B (at the first step e <- E_B) from the arena's gradients, taken at B + e or at B. rho
  // and t are those of `s`; nothing moves where s is not finite.
  void update(const StepState& s, double beta, bool grads_at_perturbed_b);
  // ||g||_F of each adapter, as of the last update. Waits for it.
  std::vector<double> g_norms() const { return g_norms_.to_vector<double>(); }

 private:
  nn::Arena& arena_;
  AdapterTable adapters_;
  Tensor g_norms_;  // (adapters) f64
  Tensor radius2_;  // (adapters) f64, absent where radii are not relative
  EflatOptions options_;
};

}  // namespace lowland::optim

// A's and B's of an arena as the segments of kernels/sam.h, and the perturbation of both along a vector.
#pragma once
#include <vector>

#include "kernels/sam.h"
#include "nn/arena.h"
#include "optim/step_state.h"

namespace lowland::optim {

class Segments {
 public:
  Segments(Context& context, std::vector<SamSegment> segments);  // their blocks are counted here
  const SamTable& table() const { return table_; }
  double* squares() const { return squares_.data<double>(); }  // (count)

 private:
  Tensor rows_;  // of table_, as words of 8 bytes
  SamTable table_;
  Tensor squares_;  // f64
};

// The A and the B of each adapter in turn, of the arena's arrays.
Segments pairs_of(const nn::Arena& arena);

// E = along rho x / ||x||, on all A and B.
class VectorPerturbation {
 public:
  // joint: one norm over all of them, else one for each A and each B. Asks the arena for both perturbations.
  VectorPerturbation(nn::Arena& arena, bool joint, double along = 1);
  // x: in the arena's layout. Nothing moves where s is not finite.
  void update(const Tensor& x, const StepState& s) const;

 private:
  nn::Arena& arena_;
  bool joint_;
  double along_;
  Segments segments_;
};

}  // namespace lowland::optim

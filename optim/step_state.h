// StepState: the StepScalars of kernels/step_scalars.h, in the memory of a Context's backend.
#pragma once
#include "engine/tensor.h"
#include "kernels/step_scalars.h"

namespace lowland::optim {

class StepState {
 public:
  explicit StepState(Context& context);

  // For kernels: an address in the backend's memory, the same as long as this object lives.
  StepScalars* scalars() const;
  const uint64_t* live_step() const { return &scalars()->step; }  // what draws of a replayed step are keyed by

  // Launches; none waits.
  void set_step(int64_t step, double lr, double rho, bool new_window = false) const;
  void add_loss(const Tensor& loss) const;  // one element
  void begin_ascent(const Tensor& grads) const;
  void divide_rho(double most) const;
  void begin_update(const Tensor& grads, double max_grad_norm) const;

  // Copies; on a GPU these wait.
  StepScalars read() const;
  void write(const StepScalars& scalars) const;

 private:
  Tensor memory_;
};

}  // namespace lowland::optim

// The meta device: memory is counted, kernels and copies are left out, and what is read back is zero. Work on it
// allocates in the order in which it would on the real device, so the peak of a training step is known before any
// memory is taken. Scratch memory of kernels is not counted: no kernel runs.
#pragma once
#include <memory>

#include "kernels/common/accelerator.h"

namespace lowland {

// For Context's second constructor. `like`: whose alignment, type of numbers and graphs it has; null: the CPU's.
std::unique_ptr<Accelerator> make_meta_device(const Accelerator* like);

}  // namespace lowland

// A device of paper: memory is counted, kernels and copies are left out, and what is read back is zero. Work on it
// allocates in the order in which it would on the real device, so the peak of a training step is known before any
// memory is taken. Scratch memory of kernels is not counted: no kernel runs.
#pragma once
#include <memory>

#include "engine/context.h"
#include "kernels/common/accelerator.h"

namespace lowland {

// For Context's second constructor. `like`: whose alignment, type of numbers and graphs it has.
std::unique_ptr<Accelerator> make_paper_device(const Context& like);

}  // namespace lowland

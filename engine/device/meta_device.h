// The meta device: memory is counted, kernels and copies are left out, and what is read back is zero. Work on it
// allocates in the order in which it would on the real device, so the peak of a training step is known before any
// memory is taken. Scratch memory of kernels is not counted: no kernel runs.
#pragma once
#include <memory>

#include "kernels/common/accelerator.h"
#include "kernels/common/launch.h"

namespace lowland {

// Sees what a meta device leaves out: each block of memory, at an address that no other one gets, and each launch with
// its arguments, whose pointers are such addresses.
class MetaListener : public LaunchObserver {
 public:
  virtual void block(const void* at, size_t bytes) = 0;
};

// For Context's second constructor. `like`: whose alignment, type of numbers and graphs it has; null: the CPU's.
std::unique_ptr<Accelerator> make_meta_device(const Accelerator* like);
// With the numbers that are given. The listener, or null, outlives the device.
std::unique_ptr<Accelerator> make_meta_device(AcceleratorInfo info, MetaListener* listener);

}  // namespace lowland

// Scratch memory of kernels, from an allocator, which outlives it.
#pragma once
#include <memory>

#include "engine/device/allocator.h"
#include "kernels/common/ctx.h"

namespace lowland {

// Keeps its blocks for the next launch: for kernels that have run when their launcher returns.
std::unique_ptr<Workspace> make_stack_workspace(Allocator& memory);
// Gives every block back at once: for kernels that run later, in the order of their launches.
std::unique_ptr<Workspace> make_device_workspace(Allocator& memory);

}  // namespace lowland

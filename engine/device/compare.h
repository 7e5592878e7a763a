// LL_COMPARE=1: every kernel of the GPU is followed by the CPU's on the same inputs, and the largest error of each
// kernel is printed when the Context ends. Memory is then managed memory, which both can read, so the kernels'
// arguments serve for both. Before a launch all live blocks are copied; what the GPU changed is what is compared.
// Slow: use it on small models, in f32 or in bf16 (whose rounding shows).
#pragma once
#include <memory>
#include <string>

#include "engine/device/device_allocator.h"
#include "kernels/common/launch.h"

namespace lowland {

// Null unless the environment asks for it. device, memory and ctx belong to the Context that the observer is for.
std::unique_ptr<LaunchObserver> make_compare(Accelerator& device, DeviceAllocator& memory, const Ctx& ctx);

// The comparison itself, for any memory that the host can read. print: at the end of its life.
std::unique_ptr<LaunchObserver> make_compare_always(Accelerator& device, DeviceAllocator& memory, const Ctx& ctx,
                                                    std::string* report);

}  // namespace lowland

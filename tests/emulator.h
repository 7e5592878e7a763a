// An accelerator made of host memory, to test without a GPU what the engine does with one.
//   memory      readable only while a kernel or a copy runs: code of the host that reads device memory dies on the
//               spot. Fresh blocks are full of NaN
//   arguments   of a launch may hold no address of the host's memory
//   work        is only noted, and done when somebody waits, in the order of the calls: results that are read too
//               early, or host memory that a kernel reads too late, show
//   captures    keep the launches with their arguments, and replay them
// Kernels are the CPU's, so it computes in f32 and f64.
#pragma once
#include <memory>

#include "kernels/common/accelerator.h"

namespace lowland::test {

// capacity: bytes of its memory; addresses only, pages are the host's when they are written. info: what it says of
// itself, but for its memory; without a name it is "emulated".
std::unique_ptr<Accelerator> make_emulator(int threads, size_t capacity = size_t{4} << 30, AcceleratorInfo info = {});

}  // namespace lowland::test

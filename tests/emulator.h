// An accelerator made of host memory, to test without a GPU what the engine does with one.
//   memory      readable only while a kernel or a copy runs: code of the host that reads device memory dies on the
//               spot. Fresh blocks are full of NaN
//   work        is only noted, and done when somebody waits, in the order of the calls: results that are read too
//               early, or host memory that a kernel reads too late, show
//   captures    keep the launches with their arguments, and replay them
// Kernels are the CPU's, so it computes in f32 and f64.
#pragma once
#include <memory>

#include "kernels/common/accelerator.h"

namespace lowland::test {

std::unique_ptr<Accelerator> make_emulator(int threads);

}  // namespace lowland::test

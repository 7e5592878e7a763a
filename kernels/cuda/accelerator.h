// The GPU as an Accelerator. No CUDA header here: the engine includes it.
#pragma once
#include <memory>
#include <string>

#include "kernels/common/accelerator.h"

namespace lowland::cuda {

// Empty if GPU `index` can be used, else one sentence: no driver, a driver that is too old, no such GPU, or a GPU that
// this build has no kernels for.
std::string why_unusable(int index);

// Throws Error with that sentence. LL_COMPARE=1 in the environment: memory that the CPU can read as well.
std::unique_ptr<Accelerator> make_accelerator(int index);

// True if this build has kernels for the current GPU: asks for one of them (convert.cu).
bool kernels_fit_device();

}  // namespace lowland::cuda

// NCCL between the GPUs of several processes. It is opened when it is wanted, and compiled where its header was found
// (LL_NCCL); else it is refused. No header of NCCL or CUDA here: the engine includes it.
#pragma once
#include <memory>
#include <string>

#include "kernels/common/ctx.h"
#include "kernels/common/device_collectives.h"

namespace lowland::cuda {

// Empty where NCCL can be used, else one sentence.
std::string why_no_nccl();

// The bytes by which the processes find each other; one makes them, all get them.
std::string nccl_id();

// Waits for the others. Work goes to ctx's stream, on the current GPU. Error with NCCL's words.
std::unique_ptr<DeviceCollectives> make_nccl(const std::string& id, int rank, int world, Ctx& ctx);

}  // namespace lowland::cuda

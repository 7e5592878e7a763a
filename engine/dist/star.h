// A communicator of TCP connections between process 0 and each of the others: for launchers that tell an address
// (torchrun, srun, --nproc), and to agree on NCCL's id. Everything goes through process 0, which adds in the order of
// the ranks: right for a few processes on CPUs and for what NCCL does not carry, while MPI's rings serve many.
//
// Process 0 knows who is there: it names whoever ends, hangs or is in another call, and tells it to the others.
#pragma once
#include "engine/dist/communicator.h"

namespace lowland::dist {

// Waits until all are there. Error where the port is taken, where something else listens there, where two processes
// claim one rank or other counts, and on the timeout, naming who has not come.
std::unique_ptr<Communicator> make_star(const Launch& launch, double timeout_s);

}  // namespace lowland::dist

// A communicator of MPI: built where CMake finds one (LOWLAND_MPI). Which messages go where is MPI's business.
#pragma once
#include "engine/dist/communicator.h"

namespace lowland::dist {

bool has_mpi();  // this build

// REQUIRES has_mpi(), and to be the only one of the process. Error where MPI counts other processes than the launch.
std::unique_ptr<Communicator> make_mpi(const Launch& launch, double timeout_s);

}  // namespace lowland::dist

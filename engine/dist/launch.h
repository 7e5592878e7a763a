// Launch: which of how many processes this one is, and where the first can be met, as mpirun, srun and torchrun tell it
// in the environment:
//
//   rank          RANK           PMI_RANK          PMIX_RANK   OMPI_COMM_WORLD_RANK         SLURM_PROCID
//   all           WORLD_SIZE     PMI_SIZE                      OMPI_COMM_WORLD_SIZE         SLURM_NTASKS
//   on its host   LOCAL_RANK     MPI_LOCALRANKID               OMPI_COMM_WORLD_LOCAL_RANK   SLURM_LOCALID
//   first         MASTER_ADDR, MASTER_PORT
//
// torchrun's own processes are told by RANK; so are those of --nproc, for which nothing else counts.
// Slurm's count within a step alone (srun): a batch script has them as well and is one process. A launcher that was
// itself started by srun has set its own, which count instead.
#pragma once
#include <functional>
#include <string>

namespace lowland::dist {

struct Rank {
  int index = 0, world = 1;        // of all processes
  int local = 0, local_world = 1;  // of those on its host
  bool leads() const { return index == 0; }
};

struct Launch {
  Rank rank;
  std::string told_by;  // the variable with the rank; empty: nobody has started several
  bool by_mpi = false;  // MPI's launcher is there to be asked
  std::string address;  // of the host of process 0, and a port that is free there; empty, 0: not told
  int port = 0;
  int listener = -1;  // a socket that listens there already, in process 0
};

using Lookup = std::function<std::string(const char* variable)>;  // empty: not set

// Error, naming the variables: on two that contradict each other, on a rank without a size or a size without a rank, on
// what is no number.
Launch read_launch(const Lookup& variable);
Launch read_launch();  // of this process's environment

}  // namespace lowland::dist

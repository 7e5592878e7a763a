// Which process of how many: the variables of each launcher, and what contradicts itself.
#include "engine/dist/launch.h"

#include <doctest/doctest.h>

#include <map>

#include "engine/error.h"

using namespace lowland;
using dist::Launch;

namespace {

Launch read(const std::map<std::string, std::string>& variables) {
  return dist::read_launch([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  });
}

void check(const Launch& l, int index, int world, int local, int local_world) {
  CHECK(l.rank.index == index);
  CHECK(l.rank.world == world);
  CHECK(l.rank.local == local);
  CHECK(l.rank.local_world == local_world);
}

}  // namespace

TEST_CASE("launch: one process where nobody says otherwise, a Slurm batch script among them") {
  check(read({}), 0, 1, 0, 1);
  CHECK(read({}).told_by == "");
  check(read({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}, {"SLURM_LOCALID", "0"}}), 0, 1, 0, 1);
}

TEST_CASE("launch: torchrun, mpirun, Hydra and srun") {
  Launch l = read({{"RANK", "5"},
                   {"WORLD_SIZE", "8"},
                   {"LOCAL_RANK", "1"},
                   {"LOCAL_WORLD_SIZE", "4"},
                   {"MASTER_ADDR", "node7"},
                   {"MASTER_PORT", "29500"}});
  check(l, 5, 8, 1, 4);
  CHECK(l.address == "node7");
  CHECK(l.port == 29500);
  CHECK(!l.by_mpi);
  CHECK(l.told_by == "RANK");
  l = read({{"OMPI_COMM_WORLD_RANK", "3"},
            {"OMPI_COMM_WORLD_SIZE", "4"},
            {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
            {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
            {"PMIX_RANK", "3"}});
  check(l, 3, 4, 1, 2);
  CHECK(l.by_mpi);
  check(read({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}}), 1, 2, 1, 2);
  check(read({{"SLURM_STEP_ID", "0"},
              {"SLURM_PROCID", "6"},
              {"SLURM_NTASKS", "8"},
              {"SLURM_LOCALID", "2"},
              {"SLURM_STEP_TASKS_PER_NODE", "4(x2)"}}),
        6, 8, 2, 4);
}

TEST_CASE("launch: of launchers within launchers the inner one counts") {
  const std::map<std::string, std::string> srun = {
      {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}, {"SLURM_LOCALID", "0"}};
  auto inner = srun;
  inner.insert({{"RANK", "5"},
                {"WORLD_SIZE", "8"},
                {"LOCAL_RANK", "1"},
                {"LOCAL_WORLD_SIZE", "4"},
                {"TORCHELASTIC_RUN_ID", "none"},
                {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                {"MASTER_ADDR", "a"},
                {"MASTER_PORT", "29400"}});
  check(read(inner), 5, 8, 1, 4);
  CHECK(read(inner).port == 29401);  // torchrun listens at the port itself
  inner = srun;
  inner.insert({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "3"}});
  CHECK(read(inner).rank.index == 2);
  inner = srun;
  inner.insert({{"LL_STARTED", "1"}, {"LL_LISTENER", "7"}, {"RANK", "0"}, {"WORLD_SIZE", "3"}});
  CHECK(read(inner).rank.world == 3);
  CHECK(read(inner).listener == 7);
}

TEST_CASE("launch: variables that contradict each other, or say half of it, are refused by name") {
  const auto refused = [](const std::map<std::string, std::string>& variables, const char* sentence) {
    CHECK_THROWS_WITH_AS(read(variables), sentence, Error);
  };
  refused({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "2"}},
          "RANK is 1 and OMPI_COMM_WORLD_RANK is 0: two launchers contradict each other, unset one");
  refused({{"RANK", "1"}, {"WORLD_SIZE", "4"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}},
          "WORLD_SIZE is 4 and SLURM_NTASKS is 2: two launchers contradict each other, unset one");
  refused({{"RANK", "1"}}, "RANK is 1, and no variable tells how many processes there are (WORLD_SIZE)");
  refused({{"WORLD_SIZE", "4"}}, "WORLD_SIZE is 4, and no variable tells which of them this process is (RANK)");
  refused({{"RANK", "4"}, {"WORLD_SIZE", "4"}}, "RANK is 4 and WORLD_SIZE is 4: ranks are counted from 0");
  refused({{"RANK", "one"}, {"WORLD_SIZE", "4"}}, "RANK is `one`, where a number is wanted");
  refused({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "70000"}},
          "MASTER_PORT is 70000, and ports end at 65535");
}

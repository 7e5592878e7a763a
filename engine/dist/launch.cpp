#include "engine/dist/launch.h"

#include <charconv>
#include <optional>
#include <vector>

#include "engine/error.h"
#include "kernels/common/environment.h"

namespace lowland::dist {
namespace {

using environment::kRanks;

std::optional<int> number(const Lookup& variable, const char* name) {
  if (name == nullptr) return std::nullopt;
  const std::string text = variable(name);
  if (text.empty()) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  LL_CHECK(error == std::errc() && end == text.data() + text.size() && value >= 0,
           "{} is `{}`, where a number is wanted", name, text);
  return value;
}

// One number that several launchers may have told.
struct Told {
  std::optional<int> value;
  const char* by = "";
  void take(const Lookup& variable, const char* name) {
    const std::optional<int> other = number(variable, name);
    if (!other) return;
    LL_CHECK(!value || *value == *other, "{} is {} and {} is {}: two launchers contradict each other, unset one", by,
             *value, name, *other);
    if (!value) by = name;
    value = other;
  }
};

// Slurm writes "4(x2),3" for the tasks of each host.
int first_number(const std::string& text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Launch read_launch(const Lookup& variable) {
  Told rank, world, local, local_world;
  const bool started_here = !variable(environment::kStartedHere.name).empty();
  const bool in_step = !variable(environment::kSlurmStep.name).empty();
  for (const environment::RankNames& names : kRanks) {
    const bool inner =
        !variable(environment::kTorchRun.name).empty() || !variable(environment::kOpenMpiRank.name).empty();
    if ((names.of_slurm && (!in_step || inner)) || (started_here && &names != kRanks)) continue;
    rank.take(variable, names.rank);
    world.take(variable, names.world);
    local.take(variable, names.local);
    local_world.take(variable, names.local_world);
  }
  Launch launch;
  if (!rank.value && !world.value) return launch;
  LL_CHECK(world.value, "{} is {}, and no variable tells how many processes there are (WORLD_SIZE)", rank.by,
           *rank.value);
  LL_CHECK(rank.value, "{} is {}, and no variable tells which of them this process is (RANK)", world.by, *world.value);
  LL_CHECK(*world.value >= 1 && *rank.value < *world.value, "{} is {} and {} is {}: ranks are counted from 0", rank.by,
           *rank.value, world.by, *world.value);
  if (!local_world.value && in_step) local_world.value = first_number(variable(environment::kSlurmTasksPerHost.name));
  launch.rank = {*rank.value, *world.value, local.value.value_or(0), std::max(1, local_world.value.value_or(1))};
  launch.told_by = rank.by;
  launch.by_mpi =
      !started_here && (!variable(environment::kOpenMpiRank.name).empty() || !variable("PMIX_RANK").empty());
  launch.address = variable(environment::kMasterAddress.name);
  launch.port = number(variable, environment::kMasterPort.name).value_or(0);
  LL_CHECK(launch.port < 65536, "{} is {}, and ports end at 65535", environment::kMasterPort.name, launch.port);
  // torchrun itself listens at MASTER_PORT then.
  if (launch.port > 0 && variable(environment::kTorchStore.name) == "True") ++launch.port;
  launch.listener = number(variable, environment::kListener.name).value_or(-1);
  return launch;
}

Launch read_launch() {
  return read_launch([](const char* name) { return environment::Variable{name}.value(); });
}

}  // namespace lowland::dist

// Several processes of a run as threads of the test, which meet at a free port of this host.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/dist/launch.h"

namespace lowland::dist {
class Communicator;
}

namespace lowland::test {

// A socket that listens at a free port of this host; the first process owns it.
struct Meeting {
  int port = 0, listener = -1;
  Meeting();
  dist::Launch launch(int rank, int world) const;
};

// Runs `work` in each of `world` threads. What each threw, by rank; empty where it threw nothing.
std::vector<std::string> run_ranks(int world, const std::function<void(dist::Communicator&)>& work,
                                   double timeout_s = 20);

// Error of the first that threw anything, with all of them.
void must_run(int world, const std::function<void(dist::Communicator&)>& work);

}  // namespace lowland::test

// How long threads of a program look for work: what the OpenMP runtime says that it found at its start.
#include <doctest/doctest.h>

#include "tests/apps/program.h"

using namespace lowland::test;

namespace {

// The runtime's settings; `set`: NAME=value for the environment. Nothing else of it says how to wait.
std::string settings_of_runtime(const std::vector<std::string>& set) {
  std::vector<std::string> args = {"-u", "OMP_WAIT_POLICY", "-u", "GOMP_SPINCOUNT", "-u", "KMP_BLOCKTIME"};
  args.insert(args.end(), set.begin(), set.end());
  args.insert(args.end(), {"OMP_DISPLAY_ENV=verbose", LL_ROBERTA_PROGRAM, "--version"});
  const Outcome shown = run_command("/usr/bin/env", args);
  CHECK(shown.exit_code == 0);
  CHECK(shown.out == LOWLAND_VERSION "\n");  // once, although the program began twice
  return shown.err;
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a program waits within bounds, unless it is told how to wait") {
  const std::string bounded = settings_of_runtime({});
  INFO(bounded);
  CHECK((holds(bounded, "GOMP_SPINCOUNT = '10000'") || holds(bounded, "KMP_BLOCKTIME='1'")));

  const std::string told = settings_of_runtime({"OMP_WAIT_POLICY=active"});
  INFO(told);
  CHECK(holds(told, "ACTIVE"));
  CHECK_FALSE((holds(told, "GOMP_SPINCOUNT = '10000'") || holds(told, "KMP_BLOCKTIME='1'")));
}

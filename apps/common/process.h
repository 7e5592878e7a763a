// What the system knows of this process.
#pragma once
#include <cstddef>

namespace lowland::apps {

// VmHWM: the most memory it ever held, as the kernel counts. 0 where /proc does not tell.
size_t process_peak_bytes();

// What ends a program in which everything has been said.
struct Ended {
  int code = 0;
};

// Starts this program n times over with its own arguments, as processes 0 to n - 1 of one run (engine/dist/launch.h),
// and waits for their ends. SIGINT and SIGTERM are passed on to them. If one fails, the others have a few seconds to
// say so, and are ended then. The exit code of the first that failed.
int run_processes(int n);

// The threads of a program look for work for a moment and then sleep, instead of some milliseconds (libgomp) or a fifth
// of a second (libomp): where another program wants the processors too, a thread that looks takes from it and from the
// thread that is waited for. Only what a runtime finds at its start counts, so the program begins once more, with the
// same arguments. Does nothing where the environment says how to wait, or the system does not let it.
void bound_waiting(char* const* argv);

}  // namespace lowland::apps

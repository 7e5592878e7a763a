// What the system knows of this process.
#pragma once
#include <cstddef>

namespace lowland::apps {

// VmHWM: the most memory it ever held, as the kernel counts. 0 where /proc does not tell.
size_t process_peak_bytes();

}  // namespace lowland::apps

// Memory of the host that this process can still take.
#pragma once
#include <cstddef>

namespace lowland {

// What the kernel calls available, or less where a control group (a container's limit) leaves less.
size_t free_host_bytes();

}  // namespace lowland

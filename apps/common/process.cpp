#include "apps/common/process.h"

#include <fstream>
#include <string>

namespace lowland::apps {

size_t process_peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  return 0;
}

}  // namespace lowland::apps

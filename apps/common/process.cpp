#include "apps/common/process.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "kernels/common/environment.h"

namespace lowland::apps {

size_t process_peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  return 0;
}

void bound_waiting(char* const* argv) {
  using namespace environment;
  for (const Variable& said : {kOmpWaitPolicy, kGompSpinCount, kKmpBlocktime})
    if (!said.value().empty()) return;
  kGompSpinCount.set("10000");  // some 0.2 to 0.5 ms, of what steps of a small model wait
  kKmpBlocktime.set("1");
  std::error_code missing;  // the name of the file: `ps` would show that of a link
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", missing);
  if (!missing) ::execv(self.c_str(), argv);
}

}  // namespace lowland::apps

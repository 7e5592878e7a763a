#include "engine/device/host_memory.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>

namespace lowland {
namespace {

// The number behind `key` in a file of "key value" lines, or without a key the file's only number; SIZE_MAX: none.
size_t number_in(const std::string& file, const std::string& key = "") {
  std::ifstream in(file);
  size_t value = 0;
  if (key.empty()) return in >> value ? value : SIZE_MAX;
  for (std::string word; in >> word;)
    if (word == key) return in >> value ? value : SIZE_MAX;
  return SIZE_MAX;
}

size_t available() {
  const size_t kilobytes = number_in("/proc/meminfo", "MemAvailable:");
  if (kilobytes != SIZE_MAX) return kilobytes * 1024;
  return sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

// What a group may still take; files it has read and that could be forgotten do not count.
size_t room(const std::string& folder, const char* limit, const char* used, const char* forgettable) {
  const size_t most = number_in(folder + limit), now = number_in(folder + used);
  if (most == SIZE_MAX || now == SIZE_MAX) return SIZE_MAX;  // "max"
  const size_t files = number_in(folder + "memory.stat", forgettable);
  const size_t held = files == SIZE_MAX ? now : now - std::min(now, files);
  return most - std::min(most, held);
}

}  // namespace

size_t free_host_bytes() {
  const std::string root = "/sys/fs/cgroup/";
  size_t least = available();
  std::ifstream lines("/proc/self/cgroup");  // "0::/path" in version 2, "N:memory:/path" in version 1
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.find(":memory:/");
    if (line.starts_with("0::/")) {
      for (const std::string& folder : {root, root + line.substr(4) + "/"})
        least = std::min(least, room(folder, "memory.max", "memory.current", "inactive_file"));
    } else if (at != std::string::npos) {
      for (const std::string& folder : {root + "memory/", root + "memory/" + line.substr(at + 9) + "/"})
        least = std::min(least, room(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"));
    }
  }
  return least;
}

}  // namespace lowland

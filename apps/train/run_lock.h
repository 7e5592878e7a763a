// RunLock: one writer a run. A file in the run's folder, locked as long as this lives; the system lets go of it when a
// process dies, however it dies, so that a killed run is free at once.
#pragma once
#include <filesystem>

namespace lowland::apps {

inline constexpr const char* kLockFile = ".lock";

class RunLock {
 public:
  // REQUIRES the folder. Error where another process holds it, naming that process.
  explicit RunLock(const std::filesystem::path& run);
  ~RunLock();  // takes the file away
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  std::filesystem::path file_;
  int fd_ = -1;
};

}  // namespace lowland::apps

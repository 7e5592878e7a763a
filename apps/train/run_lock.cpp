#include "apps/train/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "engine/error.h"

namespace lowland::apps {
namespace {

std::string holder(int fd) {
  char text[64];
  const ssize_t n = ::pread(fd, text, sizeof text, 0);
  const std::string pid(text, n > 0 ? static_cast<size_t>(n) : 0);
  return pid.empty() || pid.find_first_not_of("0123456789") != std::string::npos ? "" : fmt::format(" ({})", pid);
}

// Whether the file that was opened is still the one of this name: its holder takes it away when it is done.
bool still_there(int fd, const std::filesystem::path& file) {
  struct stat opened {
  }, named{};
  return ::fstat(fd, &opened) == 0 && ::stat(file.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& run) : file_(run / kLockFile) {
  while (fd_ < 0) {
    const int fd = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) fail("cannot write {}: {}", file_.string(), std::system_category().message(errno));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      const std::string who = holder(fd);
      ::close(fd);
      fail("{} is in use by another process{}: wait for its end, or give another --out", run.string(), who);
    }
    if (still_there(fd, file_)) {
      fd_ = fd;
    } else {
      ::close(fd);
    }
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd_, 0) == 0) (void)!::pwrite(fd_, pid.data(), pid.size(), 0);  // for the message of others alone
}

RunLock::~RunLock() {
  ::unlink(file_.c_str());
  ::close(fd_);
}

}  // namespace lowland::apps

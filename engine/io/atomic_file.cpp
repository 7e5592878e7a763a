#include "engine/io/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <vector>

#include "engine/error.h"
#include "engine/io/disk.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPrefix = ".lowland-tmp.";
constexpr int kAttempts = 1000;

std::string reason(int error) { return std::system_category().message(error); }

fs::path normal(const std::string& path) {
  LL_CHECK(!path.empty(), "an empty name was given for a file to write");
  const fs::path p = fs::path(path).lexically_normal();
  return p.has_filename() ? p : p.parent_path();  // "adapter/" is "adapter"
}

std::string parent_of(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? "." : parent.string();
}

// Never the same twice in a process: who removes a stale one by its name must not meet a live one of that name.
std::string temporary_name(const fs::path& path) {
  static std::atomic<uint64_t> count = 0;
  return (fs::path(parent_of(path)) / fmt::format("{}{}.{}.{}", kPrefix, path.filename().string(), ::getpid(), count++))
      .string();
}

// Takes the lock of a temporary that was just made. False where somebody who looked for stale ones was faster and has
// removed it, or is about to: between making and locking it nothing tells it from one whose writer is dead.
bool lock_new(int fd, const std::string& path) {
  while (::flock(fd, LOCK_EX) != 0)
    if (errno != EINTR) return true;  // a file system without locks: nobody can take it for stale either
  struct stat held {
  }, named{};
  return ::fstat(fd, &held) == 0 && ::lstat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
         held.st_dev == named.st_dev;
}

// Renames over whatever is at `to`. A folder in the way is exchanged, then removed under the temporary name.
void replace(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return;
  const int first = errno;
  if (first != ENOTEMPTY && first != EEXIST && first != EISDIR && first != ENOTDIR) {
    fail("cannot rename {} to {}: {}", from, to, reason(first));
  }
  std::error_code ignored;
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(from, ignored);
    return;
  }
  const std::string old = from + ".old";
  if (::rename(to.c_str(), old.c_str()) != 0) fail("cannot replace {}: {}", to, reason(errno));
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    if (::rename(old.c_str(), to.c_str()) != 0) fail("cannot replace {}; its old content is in {}", to, old);
    fail("cannot rename {} to {}: {}", from, to, reason(error));
  }
  fs::remove_all(old, ignored);
}

}  // namespace

void sync_path(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("cannot open {} to sync it: {}", path, reason(errno));
  const int result = ::fsync(fd), error = errno;
  ::close(fd);
  // A file system that cannot sync folders says EINVAL; there is nothing more to do then.
  if (result != 0 && error != EINVAL) fail("cannot sync {}: {}", path, reason(error));
}

void remove_stale_temporaries(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(kPrefix)) found.push_back(it->path());
  }
  for (const fs::path& path : found) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) fs::remove_all(path, error);  // nobody holds it: its writer is dead
    ::close(fd);
  }
}

void remove_atomically(const std::string& path) {
  const fs::path name = normal(path);
  std::error_code error;
  for (int attempt = 0;; ++attempt) {
    const std::string aside = temporary_name(name);
    int moved = ::renameat2(AT_FDCWD, name.c_str(), AT_FDCWD, aside.c_str(), RENAME_NOREPLACE);
    if (moved != 0 && errno == EINVAL) moved = ::rename(name.c_str(), aside.c_str());  // a system without that flag
    if (moved == 0) {
      fs::remove_all(aside, error);  // what is left of it is nobody's, and goes with the stale temporaries
      return;
    }
    if (errno == ENOENT) return;
    if (errno == EEXIST && attempt < kAttempts) continue;
    fail("cannot remove {}: {}", path, reason(errno));
  }
}

AtomicFile::AtomicFile(const std::string& path) : path_(normal(path).string()) {
  struct stat existing {};
  if (::stat(path_.c_str(), &existing) == 0 && S_ISDIR(existing.st_mode))
    fail("cannot write {}: it is a folder", path_);
  remove_stale_temporaries(parent_of(path_));
  for (int attempt = 0; fd_ < 0; ++attempt) {
    temporary_ = temporary_name(path_);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && (errno != EEXIST || attempt > kAttempts)) fail("cannot write {}: {}", path_, reason(errno));
    if (fd_ >= 0 && !lock_new(fd_, temporary_)) {
      ::close(fd_);
      fd_ = -1;
    }
  }
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::unlink(temporary_.c_str());
  ::close(fd_);
}

void AtomicFile::write(const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::write(fd_, from, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("cannot write {}: {}", path_, reason(n < 0 ? errno : ENOSPC));
    from += n;
    bytes -= n;
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail("cannot write {}: {}", path_, reason(errno));
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot write {}: {}", path_, reason(errno));
  ::close(fd_);
  fd_ = -1;
  sync_path(parent_of(path_));
}

void write_file_atomically(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

AtomicDirectory::AtomicDirectory(const std::string& path) : path_(normal(path).string()) {
  const std::string parent = parent_of(path_);
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) fail("cannot make the folder {}: {}", parent, error.message());
  remove_stale_temporaries(parent);
  for (int attempt = 0; lock_ < 0; ++attempt) {
    temporary_ = temporary_name(path_);
    if (::mkdir(temporary_.c_str(), 0777) != 0) {
      if (errno != EEXIST || attempt > kAttempts) fail("cannot write {}: {}", path_, reason(errno));
      continue;
    }
    lock_ = ::open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_ < 0 && (errno != ENOENT || attempt > kAttempts)) fail("cannot write {}: {}", path_, reason(errno));
    if (lock_ >= 0 && !lock_new(lock_, temporary_)) {
      ::close(lock_);
      lock_ = -1;
    }
  }
}

AtomicDirectory::~AtomicDirectory() {
  if (lock_ < 0) return;
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
  ::close(lock_);
}

void AtomicDirectory::commit() {
  std::error_code error;
  for (fs::recursive_directory_iterator it(temporary_, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_symlink()) sync_path(it->path().string());
  }
  if (error) fail("cannot write {}: {}", path_, error.message());
  sync_path(temporary_);
  replace(temporary_, path_);
  ::close(lock_);
  lock_ = -1;
  sync_path(parent_of(path_));
}

std::string read_file(const std::string& path, size_t limit) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) fail("cannot read {}: {}", path, reason(errno));
  if (!S_ISREG(info.st_mode)) fail("cannot read {}: it is not a file", path);
  if (static_cast<size_t>(info.st_size) > limit) {
    fail("{} has {} bytes, more than the {} such a file may have", path, info.st_size, limit);
  }
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) fail("cannot read {}: {}", path, reason(errno));
  std::string text(info.st_size, '\0');
  const size_t n = std::fread(text.data(), 1, text.size(), file);
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) fail("cannot read {}: {}", path, reason(EIO));
  text.resize(n);
  LL_CHECK(!text.starts_with("version https://git-lfs.github.com/"),
           "{} is a Git LFS pointer, not the file itself: `git lfs pull` fetches that", path);
  return text;
}

}  // namespace lowland

// Loaded before a program (LD_PRELOAD): its file operations below one folder are counted, and one of them fails.
//   LL_FAULT_ROOT   the folder
//   LL_FAULT_LOG    a file outside it, which gets a line for each operation
//   LL_FAULT_AT     the number of the operation that fails, from 1
//   LL_FAULT_KIND   kill: the process dies before it; eio, enospc: it fails with that error; short: a write takes half
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>

namespace {

std::string variable(const char* name) {
  const char* text = getenv(name);
  return text == nullptr ? "" : text;
}

struct Plan {
  std::string root = variable("LL_FAULT_ROOT"), log = variable("LL_FAULT_LOG"), kind = variable("LL_FAULT_KIND");
  long at = atol(variable("LL_FAULT_AT").c_str());
  std::atomic<long> count{0};
};

Plan& plan() {
  static Plan* const made = new Plan;  // used until the last moment of the process
  return *made;
}

std::string link_of(const std::string& link) {
  char text[4096];
  const ssize_t n = readlink(link.c_str(), text, sizeof text);
  return n > 0 ? std::string(text, static_cast<size_t>(n)) : "";
}

std::string path_of(int fd) { return link_of("/proc/self/fd/" + std::to_string(fd)); }

std::string path_of(int folder, const char* name) {
  if (name == nullptr) return "";
  if (name[0] == '/') return name;
  return (folder == AT_FDCWD ? link_of("/proc/self/cwd") : path_of(folder)) + "/" + name;
}

// Whether the operation is the one that fails; the error it fails with, or 0 for a short write.
bool fails(const char* what, const std::string& path, int& error) {
  Plan& p = plan();
  if (p.root.empty() || path.compare(0, p.root.size(), p.root) != 0) return false;
  const long number = ++p.count;
  if (!p.log.empty()) {
    const std::string line = std::to_string(number) + " " + what + " " + path + "\n";
    const long fd = syscall(SYS_openat, AT_FDCWD, p.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    syscall(SYS_write, fd, line.data(), line.size());
    syscall(SYS_close, fd);
  }
  if (number != p.at) return false;
  if (p.kind == "kill") kill(getpid(), SIGKILL);
  error = p.kind == "eio" ? EIO : p.kind == "enospc" ? ENOSPC : 0;
  return error != 0 || p.kind == "short";
}

// The same for what cannot be short.
bool fails_whole(const char* what, const std::string& path) {
  int error = 0;
  if (!fails(what, path, error) || error == 0) return false;
  errno = error;
  return true;
}

template <class Function> Function* next(const char* name, Function*) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

mode_t mode_of(int flags, va_list more) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(more, int)) : 0;
}

}  // namespace

extern "C" {

#define LL_OPEN(NAME)                                                                            \
  int NAME(const char* path, int flags, ...) {                                                   \
    va_list more;                                                                                \
    va_start(more, flags);                                                                       \
    const mode_t mode = mode_of(flags, more);                                                    \
    va_end(more);                                                                                \
    if (fails_whole("open", path_of(AT_FDCWD, path))) return -1;                                 \
    static auto* const real = next(#NAME, static_cast<int (*)(const char*, int, ...)>(nullptr)); \
    return real(path, flags, mode);                                                              \
  }
#define LL_OPENAT(NAME)                                                                               \
  int NAME(int folder, const char* path, int flags, ...) {                                            \
    va_list more;                                                                                     \
    va_start(more, flags);                                                                            \
    const mode_t mode = mode_of(flags, more);                                                         \
    va_end(more);                                                                                     \
    if (fails_whole("openat", path_of(folder, path))) return -1;                                      \
    static auto* const real = next(#NAME, static_cast<int (*)(int, const char*, int, ...)>(nullptr)); \
    return real(folder, path, flags, mode);                                                           \
  }
#define LL_FOPEN(NAME)                                                                                \
  FILE* NAME(const char* path, const char* mode) {                                                    \
    if (fails_whole("fopen", path_of(AT_FDCWD, path))) return nullptr;                                \
    static auto* const real = next(#NAME, static_cast<FILE* (*)(const char*, const char*)>(nullptr)); \
    return real(path, mode);                                                                          \
  }

LL_OPEN(open)
LL_OPEN(open64)
LL_OPENAT(openat)
LL_OPENAT(openat64)
LL_FOPEN(fopen)
LL_FOPEN(fopen64)

ssize_t write(int fd, const void* data, size_t bytes) {
  static auto* const real = next("write", &write);
  int error = 0;
  if (!fails("write", path_of(fd), error)) return real(fd, data, bytes);
  errno = error;
  return error != 0 ? -1 : real(fd, data, (bytes + 1) / 2);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  static auto* const real = next("writev", &writev);
  int error = 0;
  if (!fails("writev", path_of(fd), error)) return real(fd, parts, count);
  errno = error;
  return error != 0 ? -1 : real(fd, parts, 1);
}

#define LL_ON_FD(NAME)                                      \
  int NAME(int fd) {                                        \
    static auto* const real = next(#NAME, &NAME);           \
    return fails_whole(#NAME, path_of(fd)) ? -1 : real(fd); \
  }
LL_ON_FD(fsync)
LL_ON_FD(fdatasync)

int ftruncate(int fd, off_t size) noexcept {
  static auto* const real = next("ftruncate", static_cast<int (*)(int, off_t)>(nullptr));
  return fails_whole("ftruncate", path_of(fd)) ? -1 : real(fd, size);
}

int rename(const char* from, const char* to) noexcept {
  static auto* const real = next("rename", static_cast<int (*)(const char*, const char*)>(nullptr));
  return fails_whole("rename", path_of(AT_FDCWD, to)) ? -1 : real(from, to);
}

int renameat2(int a, const char* from, int b, const char* to, unsigned flags) noexcept {
  static auto* const real =
      next("renameat2", static_cast<int (*)(int, const char*, int, const char*, unsigned)>(nullptr));
  return fails_whole("renameat2", path_of(b, to)) ? -1 : real(a, from, b, to, flags);
}

int unlink(const char* path) noexcept {
  static auto* const real = next("unlink", static_cast<int (*)(const char*)>(nullptr));
  return fails_whole("unlink", path_of(AT_FDCWD, path)) ? -1 : real(path);
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  static auto* const real = next("unlinkat", static_cast<int (*)(int, const char*, int)>(nullptr));
  return fails_whole("unlinkat", path_of(folder, path)) ? -1 : real(folder, path, flags);
}

int rmdir(const char* path) noexcept {
  static auto* const real = next("rmdir", static_cast<int (*)(const char*)>(nullptr));
  return fails_whole("rmdir", path_of(AT_FDCWD, path)) ? -1 : real(path);
}

int mkdir(const char* path, mode_t mode) noexcept {
  static auto* const real = next("mkdir", static_cast<int (*)(const char*, mode_t)>(nullptr));
  return fails_whole("mkdir", path_of(AT_FDCWD, path)) ? -1 : real(path, mode);
}

}  // extern "C"

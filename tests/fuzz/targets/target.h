// What the targets of libFuzzer share. A target reads what a fuzzer made; an Error is a right answer, anything else (a
// crash, another exception, a sanitizer's finding, too much memory or time) ends the process.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/error.h"

// The head of a target's function of `data` and `size`, which returns 0: libFuzzer's where CMake builds for it, else
// one for tests/fuzz/replay_test.cpp.
#ifdef LL_LIBFUZZER
#define LL_FUZZ_TARGET(name) extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
#else
#define LL_FUZZ_TARGET(name)                         \
  int fuzz_##name(const uint8_t* data, size_t size); \
  int fuzz_##name(const uint8_t* data, size_t size)
#endif

namespace lowland {

inline std::string_view as_text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The bytes as a file that has a path and is on no disk.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::write(fd_, content.data(), content.size()) != static_cast<ssize_t>(content.size()))
      __builtin_trap();
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_ = -1;
};

template <class F> void attempt(const F& f) {
  try {
    f();
  } catch (const Error&) {}
}

}  // namespace lowland

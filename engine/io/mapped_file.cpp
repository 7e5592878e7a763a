#include "engine/io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "engine/error.h"

namespace lowland {

MappedFile::MappedFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not be waited for
  struct stat info {};
  if (fd < 0 || ::fstat(fd, &info) != 0) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    fail("cannot open {}: {}", path, std::system_category().message(error));
  }
  const bool regular = S_ISREG(info.st_mode);
  size_ = info.st_size;
  if (regular && size_ > 0) address_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
  const int error = errno;
  ::close(fd);
  LL_CHECK(regular, "cannot open {}: it is not a file", path);
  if (address_ == MAP_FAILED) fail("cannot map {}: {}", path, std::system_category().message(error));
}

MappedFile::~MappedFile() {
  if (address_ != nullptr) ::munmap(address_, size_);
}

void MappedFile::drop(std::string_view span) const {
  const uintptr_t page = 4096, begin = reinterpret_cast<uintptr_t>(span.data());
  const uintptr_t first = (begin + page - 1) / page * page, last = (begin + span.size()) / page * page;
  if (last > first + (1u << 20)) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace lowland

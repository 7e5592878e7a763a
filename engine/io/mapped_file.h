// MappedFile: a file's bytes in memory, read by the system as they are touched. (A file that another process shortens
// later is beyond any reader's help: memory maps answer that with SIGBUS.)
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace lowland {

class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // Error that names what is not there, is no file or cannot be mapped
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return {static_cast<const char*>(address_), size_}; }
  // Lets the system take back the pages of a span that was copied; they are read again if they are needed again.
  void drop(std::string_view span) const;

 private:
  void* address_ = nullptr;  // null if the file is empty
  size_t size_ = 0;
};

}  // namespace lowland

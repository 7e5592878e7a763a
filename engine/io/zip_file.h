// ZipArchive: the entries of a zip file that stores them as they are, as torch.save writes them: each is a span of the
// file's bytes, nothing is unpacked. Zip64 is read. Everything that the directory says is checked when it is opened:
// entries lie inside the file, before the directory and beside each other, and agree with their own headers. An entry
// that is compressed or encrypted is refused by name, as is a name given twice.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

struct ZipEntry {
  std::string_view name, bytes;
};

class ZipArchive {
 public:
  // `path` names the file in errors; `file` are its bytes, which must stay.
  ZipArchive(const std::string& path, std::string_view file);

  const std::vector<ZipEntry>& entries() const { return entries_; }  // sorted by name
  const ZipEntry* find(std::string_view name) const;                 // null if absent

 private:
  struct Directory;
  Directory find_directory() const;
  std::string_view locate(std::string_view name, size_t at, size_t size, size_t directory) const;
  void read_entry(std::string_view& rest, size_t directory);
  void check_overlaps() const;
  [[noreturn]] void refuse(const std::string& why) const;

  std::string path_;
  std::string_view file_;
  std::vector<ZipEntry> entries_;
};

}  // namespace lowland

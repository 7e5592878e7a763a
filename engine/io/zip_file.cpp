#include "engine/io/zip_file.h"

#include <algorithm>
#include <cstring>

#include "engine/error.h"
#include "engine/io/printable.h"

namespace lowland {
namespace {

// The fixed parts of the records, in bytes (APPNOTE.TXT 4.3 of PKWARE).
constexpr size_t kLocalHeader = 30, kCentralHeader = 46, kEnd = 22, kEnd64 = 56, kLocator64 = 20;
constexpr uint32_t kAll32 = 0xffffffff;

template <class T> T number(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);  // x86: little-endian, as in the file
  return value;
}

uint16_t u16(std::string_view bytes, size_t at) { return number<uint16_t>(bytes, at); }
uint32_t u32(std::string_view bytes, size_t at) { return number<uint32_t>(bytes, at); }
uint64_t u64(std::string_view bytes, size_t at) { return number<uint64_t>(bytes, at); }

}  // namespace

struct ZipArchive::Directory {
  uint64_t entries = 0, bytes = 0, at = 0;
};

void ZipArchive::refuse(const std::string& why) const { fail("{} cannot be read as a zip archive: {}", path_, why); }

ZipArchive::ZipArchive(const std::string& path, std::string_view file) : path_(path), file_(file) {
  const Directory directory = find_directory();
  std::string_view rest = file_.substr(directory.at, directory.bytes);
  if (directory.entries > directory.bytes / kCentralHeader) refuse("its directory counts more entries than it has");
  entries_.reserve(directory.entries);
  for (uint64_t i = 0; i < directory.entries; ++i) read_entry(rest, directory.at);
  check_overlaps();
  std::sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(entries_.begin(), entries_.end(),
                                        [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != entries_.end()) refuse(fmt::format("it has `{}` twice", printable(twice->name)));
}

// From the record at the file's end, or the zip64 one that stands before it.
ZipArchive::Directory ZipArchive::find_directory() const {
  const size_t longest = kEnd + 0xffff;  // with a comment
  const size_t first = file_.size() - std::min(file_.size(), longest);
  size_t end = std::string_view::npos;
  for (size_t at = file_.size(); at-- > first && end == std::string_view::npos;) {
    const std::string_view record = file_.substr(at);
    if (record.starts_with("PK\5\6") && record.size() >= kEnd && u16(record, 20) == record.size() - kEnd) end = at;
  }
  if (end == std::string_view::npos)
    refuse("its directory, which stands at the end, is missing: was the download cut off?");
  const std::string_view record = file_.substr(end);
  Directory directory{.entries = u16(record, 10), .bytes = u32(record, 12), .at = u32(record, 16)};
  bool one_disk = u16(record, 4) == 0 && u16(record, 6) == 0;
  size_t limit = end;
  if (end >= kLocator64 && file_.substr(end - kLocator64).starts_with("PK\6\7")) {
    const uint64_t at = u64(file_, end - kLocator64 + 8);
    if (at > end - kLocator64 || end - kLocator64 - at < kEnd64 || !file_.substr(at).starts_with("PK\6\6"))
      refuse("its zip64 record is not where it should be");
    const std::string_view record64 = file_.substr(at, kEnd64);
    directory = {.entries = u64(record64, 32), .bytes = u64(record64, 40), .at = u64(record64, 48)};
    one_disk = u32(record64, 16) == 0 && u32(record64, 20) == 0;
    limit = at;
  }
  if (!one_disk) refuse("it is one of several parts");
  if (directory.at > limit || directory.bytes > limit - directory.at) refuse("its directory lies outside the file");
  return directory;
}

// Takes the next record off the directory.
void ZipArchive::read_entry(std::string_view& rest, size_t directory) {
  if (rest.size() < kCentralHeader || !rest.starts_with("PK\1\2")) refuse("its directory is damaged");
  const std::string_view record = rest.substr(0, kCentralHeader);
  const size_t name_bytes = u16(record, 28), extra_bytes = u16(record, 30), comment_bytes = u16(record, 32);
  if (rest.size() - kCentralHeader < name_bytes + extra_bytes + comment_bytes) refuse("its directory is damaged");
  const std::string_view name = rest.substr(kCentralHeader, name_bytes);
  std::string_view extra = rest.substr(kCentralHeader + name_bytes, extra_bytes);
  rest.remove_prefix(kCentralHeader + name_bytes + extra_bytes + comment_bytes);
  uint64_t packed = u32(record, 20), size = u32(record, 24), at = u32(record, 42);
  while (extra.size() >= 4) {  // fields of 2 bytes tag, 2 bytes length
    std::string_view field = extra.substr(4, u16(extra, 2));
    if (field.size() < u16(extra, 2)) refuse("its directory is damaged");
    if (u16(extra, 0) == 1) {  // zip64: those of the three that do not fit, in this order
      for (uint64_t* value : {&size, &packed, &at}) {
        if (*value != kAll32) continue;
        if (field.size() < 8) refuse("its directory is damaged");
        *value = u64(field, 0);
        field.remove_prefix(8);
      }
    }
    extra.remove_prefix(4 + u16(extra, 2));
  }
  if ((u16(record, 8) & 1) != 0) refuse(fmt::format("`{}` in it is encrypted", printable(name)));
  if (u16(record, 10) != 0 || packed != size) {
    refuse(fmt::format("`{}` in it is compressed (method {}), which torch.save never does", printable(name),
                       u16(record, 10)));
  }
  entries_.push_back({name, locate(name, at, size, directory)});
}

// The bytes behind an entry's own header, which must name it as the directory does.
std::string_view ZipArchive::locate(std::string_view name, size_t at, size_t size, size_t directory) const {
  const std::string why = fmt::format("`{}` in it lies outside the file", printable(name));
  if (at > directory || directory - at < kLocalHeader) refuse(why);
  const std::string_view header = file_.substr(at, directory - at);
  if (!header.starts_with("PK\3\4")) refuse(fmt::format("`{}` in it is not where it should be", printable(name)));
  const size_t name_bytes = u16(header, 26), begin = kLocalHeader + name_bytes + u16(header, 28);
  if (header.size() < begin || header.size() - begin < size) refuse(why);
  if (header.substr(kLocalHeader, name_bytes) != name) {
    refuse(fmt::format("`{}` in it has another name in its own header", printable(name)));
  }
  return header.substr(begin, size);
}

void ZipArchive::check_overlaps() const {
  std::vector<const ZipEntry*> order;
  for (const ZipEntry& e : entries_) order.push_back(&e);
  std::sort(order.begin(), order.end(), [](auto a, auto b) { return a->bytes.data() < b->bytes.data(); });
  for (size_t i = 1; i < order.size(); ++i) {  // a header with its name stands between two
    const char* end = order[i - 1]->bytes.data() + order[i - 1]->bytes.size();
    if (order[i]->bytes.data() < end + kLocalHeader + order[i]->name.size()) {
      refuse(fmt::format("`{}` and `{}` in it overlap", printable(order[i - 1]->name), printable(order[i]->name)));
    }
  }
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto it = std::lower_bound(entries_.begin(), entries_.end(), name,
                                   [](const ZipEntry& e, std::string_view n) { return e.name < n; });
  return it != entries_.end() && it->name == name ? &*it : nullptr;
}

}  // namespace lowland

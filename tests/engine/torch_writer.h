// Zip archives and pickles by hand, to say what torch.save never would.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace lowland {

template <class T> std::string le(T value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

using ZipContent = std::vector<std::pair<std::string, std::string>>;

// As small as a zip archive can be: entries stored, sums of zero. `zip64`: with the records of large archives.
inline std::string zip_of(const ZipContent& entries, bool zip64 = false, uint16_t method = 0, uint16_t flags = 0) {
  std::string file, directory;
  for (const auto& [name, content] : entries) {
    const auto size = static_cast<uint32_t>(content.size()), at = static_cast<uint32_t>(file.size());
    const auto letters = static_cast<uint16_t>(name.size());
    const std::string sizes = le(size) + le(size);
    const std::string common = le(flags) + le(method) + le<uint32_t>(0) + le<uint32_t>(0);
    file += std::string("PK\3\4\24\0", 6) + common + sizes + le(letters) + le<uint16_t>(0) + name + content;
    std::string extra;
    if (zip64) extra = le<uint16_t>(1) + le<uint16_t>(24) + le<uint64_t>(size) + le<uint64_t>(size) + le<uint64_t>(at);
    directory += std::string("PK\1\2\24\0\24\0", 8) + common + (zip64 ? std::string(8, '\xff') : sizes) + le(letters) +
                 le(static_cast<uint16_t>(extra.size())) + std::string(10, '\0') +
                 (zip64 ? std::string(4, '\xff') : le(at)) + name + extra;
  }
  const auto at = static_cast<uint32_t>(file.size()), bytes = static_cast<uint32_t>(directory.size());
  const auto count = static_cast<uint16_t>(entries.size());
  file += directory;
  if (zip64) {
    const auto end = static_cast<uint64_t>(file.size());
    file += "PK\6\6" + le<uint64_t>(44) + std::string(12, '\0') + le<uint64_t>(count) + le<uint64_t>(count) +
            le<uint64_t>(bytes) + le<uint64_t>(at);
    file += "PK\6\7" + le<uint32_t>(0) + le(end) + le<uint32_t>(1);
    return file + "PK\5\6" + std::string(4, '\0') + std::string(12, '\xff') + std::string(2, '\0');
  }
  return file + "PK\5\6" + std::string(4, '\0') + le(count) + le(count) + le(bytes) + le(at) + std::string(2, '\0');
}

// --- opcodes, each what it leaves on the stack
inline std::string text(const std::string& t) { return "X" + le(static_cast<uint32_t>(t.size())) + t; }
inline std::string number(int32_t n) { return "J" + le(n); }
inline std::string number64(int64_t n) { return "\x8a\x08" + le(n); }
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::string& items) { return "(" + items + "t"; }
inline std::string numbers(const std::vector<int64_t>& n) {
  std::string items;
  for (const int64_t x : n) items += number64(x);
  return tuple(items);
}
inline std::string storage(const std::string& key, int64_t count, const std::string& type = "FloatStorage") {
  return tuple(text("storage") + global("torch", type) + text(key) + text("cpu") + number64(count)) + "Q";
}
inline std::string tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& shape,
                          const std::vector<int64_t>& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple(storage + number64(offset) + numbers(shape) + numbers(strides) + "\x89" +
               global("collections", "OrderedDict") + ")R") +
         "R";
}
// A state dict of one tensor, or of whatever value is given.
inline std::string pickle_of(const std::string& value) { return "\x80\x02}" + text("w") + value + "s."; }
inline std::string torch_zip(const std::string& pickle, const std::string& data = std::string(24, '\1')) {
  return zip_of({{"a/data.pkl", pickle}, {"a/data/0", data}});
}

}  // namespace lowland

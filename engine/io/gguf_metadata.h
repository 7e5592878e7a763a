// GgufMetadata: the keys and values of a GGUF file. Values are read where they lie in the file.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

// The numbers are the file's.
enum class GgufKind : uint32_t { u8, i8, u16, i16, u32, i32, f32, flag, text, list, u64, i64, f64 };
size_t gguf_kind_bytes(GgufKind kind);  // of one value; 0: text, list

struct GgufValue {
  GgufKind kind = GgufKind::u8;  // of a list: its elements'
  bool list = false;
  uint64_t count = 1;
  std::string_view bytes;  // as in the file: of a text without its length, of a list without kind and count
};

class GgufMetadata {
 public:
  explicit GgufMetadata(std::string file = "") : file_(std::move(file)) {}
  bool put(const std::string& key, const GgufValue& value) { return values_.emplace(key, value).second; }

  const std::string& file() const { return file_; }  // its path, for errors
  const std::map<std::string, GgufValue>& all() const { return values_; }
  const GgufValue* find(const std::string& key) const;  // null if absent
  bool has(const std::string& key) const { return find(key) != nullptr; }

  // The value; where the key is absent, `otherwise`, or an empty list. Error that names file and key for a value of
  // another kind. whole: of any kind of integer; number: of any kind of number.
  int64_t whole(const std::string& key, int64_t otherwise) const;
  double number(const std::string& key, double otherwise) const;
  bool flag(const std::string& key, bool otherwise) const;
  std::string text(const std::string& key, const std::string& otherwise) const;
  std::vector<std::string> texts(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;
  [[noreturn]] void refuse(const std::string& key, const std::string& why) const;

 private:
  std::string file_;
  std::map<std::string, GgufValue> values_;
};

}  // namespace lowland

// Pickle: what a Python pickle says, as values; nothing that it asks for is done. It is a program for a small stack
// machine, and Python's own would call whatever function it names. Here a name is kept only if `globals` knows it, a
// call is kept as a value "this global of these arguments", and its reader decides what that means. Opcodes are those
// that torch.save can write, of protocols 1 to 5 (https://github.com/python/cpython/blob/main/Lib/pickletools.py); any
// other, and any other global, is refused by name. No recursion; time and memory are linear in the bytes, and there are
// at most a million values.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

class Pickle {
 public:
  using Ref = uint32_t;  // an index of a value
  enum class Kind : uint8_t { none, boolean, integer, real, text, bytes, list, tuple, dict, global, call, persistent };
  struct Value {
    Kind kind = Kind::none;    // of a real number nothing else is kept
    Ref arguments = 0;         // of a call: its tuple; of a persistent id: the id
    int64_t integer = 0;       // also a boolean, and of a global or a call the number that `globals` gave it
    std::string_view text{};   // also bytes, and an integer that needs more than 8 (as its bytes, little-endian)
    std::vector<Ref> items{};  // of a list or tuple; of a dict, or a call that makes one, key, value, key, value ...
  };
  // The number of a global that may be named, at least 0; -1 for any other.
  using Globals = std::function<int(std::string_view module, std::string_view name)>;

  // The pickle at the start of `bytes`, which must stay. `path` names the file in errors.
  Pickle(const std::string& path, std::string_view bytes, const Globals& globals);

  const Value& root() const { return values_[root_]; }
  const Value& operator[](Ref ref) const { return values_[ref]; }
  const std::deque<Value>& values() const { return values_; }
  size_t size() const { return size_; }  // bytes, up to its end

 private:
  class Machine;
  std::deque<Value> values_;
  Ref root_ = 0;
  size_t size_ = 0;
};

}  // namespace lowland

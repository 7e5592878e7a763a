#include <cstring>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/llama/convert.h"

namespace lowland {
namespace {

// Fields of a protocol buffer, by number.
class Message {
 public:
  void put(int field, uint64_t value) {
    key(field, 0);
    varint(value);
  }
  void put(int field, const std::string& bytes) {
    key(field, 2);
    varint(bytes.size());
    bytes_ += bytes;
  }
  void put(int field, float value) {
    key(field, 5);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void key(int field, uint64_t kind) { varint(static_cast<uint64_t>(field) << 3 | kind); }
  void varint(uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_ += static_cast<char>((value & 127) | 128);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

std::string with_marks(const std::string& piece) {
  std::string out;
  for (const char c : piece) out += c == ' ' ? "\u2581" : std::string(1, c);
  return out;
}

}  // namespace

// Numbers of fields and kinds: sentencepiece_model.proto of https://github.com/google/sentencepiece
std::string sentencepiece_of_llama2c(const std::string& path) {
  constexpr uint64_t kUnknown = 2, kControl = 3, kByte = 6, kBpe = 2;
  const std::string file = read_file(path);
  std::string_view bytes = file;
  const auto take = [&](void* to, size_t n) {
    LL_CHECK(bytes.size() >= n, "{} is cut short, or no tokenizer of llama2.c", path);
    std::memcpy(to, bytes.data(), n);
    bytes.remove_prefix(n);
  };
  int32_t longest = 0;
  take(&longest, 4);
  Message model;
  for (uint64_t id = 0; !bytes.empty(); ++id) {
    float score = 0;
    int32_t length = 0;
    take(&score, 4);
    take(&length, 4);
    LL_CHECK(length > 0 && length <= longest, "{}: piece {} has length {}, where 1 to {} are expected", path, id,
             length, longest);
    std::string text(length, '\0');
    take(text.data(), text.size());
    const char* const roles[] = {"<unk>", "<s>", "</s>"};
    Message piece;
    piece.put(1, id < 3 ? roles[id] : with_marks(text));
    piece.put(2, score);
    if (id < 259) piece.put(3, id == 0 ? kUnknown : id < 3 ? kControl : kByte);
    model.put(1, piece.bytes());
  }
  Message trainer;
  trainer.put(3, kBpe);
  trainer.put(35, uint64_t{1});  // byte_fallback
  trainer.put(40, uint64_t{0});  // ids of unk, bos, eos
  trainer.put(41, uint64_t{1});
  trainer.put(42, uint64_t{2});
  model.put(2, trainer.bytes());
  Message normalizer;
  normalizer.put(1, std::string("identity"));
  normalizer.put(3, uint64_t{1});  // add_dummy_prefix
  normalizer.put(4, uint64_t{0});  // remove_extra_whitespaces
  normalizer.put(5, uint64_t{1});  // escape_whitespaces
  model.put(3, normalizer.bytes());
  return model.bytes();
}

}  // namespace lowland

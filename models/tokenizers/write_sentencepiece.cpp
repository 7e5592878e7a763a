#include "models/tokenizers/sentencepiece_file.h"

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

}  // namespace

// Numbers of fields: sentencepiece_model.proto of https://github.com/google/sentencepiece
std::string sentencepiece_bytes(const SentencePieceFile& file, const SentencePieceIds& ids) {
  Message model;
  for (const SentencePieceFile::Piece& p : file.pieces) {
    Message piece;
    piece.put(1, p.text);
    piece.put(2, p.score);
    if (p.kind != SentencePieceFile::Kind::kNormal) piece.put(3, static_cast<uint64_t>(p.kind));
    model.put(1, piece.bytes());
  }
  Message trainer;
  trainer.put(3, static_cast<uint64_t>(file.model_type));
  trainer.put(35, uint64_t{file.byte_fallback});
  int field = 40;
  for (const int64_t id : {ids.unk, ids.bos, ids.eos, ids.pad}) {
    if (id >= 0) trainer.put(field, static_cast<uint64_t>(id));
    ++field;
  }
  model.put(2, trainer.bytes());
  Message normalizer;
  normalizer.put(1, std::string("identity"));
  normalizer.put(3, uint64_t{file.add_dummy_prefix});
  normalizer.put(4, uint64_t{file.remove_extra_whitespaces});
  normalizer.put(5, uint64_t{file.escape_whitespaces});
  model.put(3, normalizer.bytes());
  return model.bytes();
}

}  // namespace lowland

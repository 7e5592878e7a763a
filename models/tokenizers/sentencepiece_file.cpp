#include "models/tokenizers/sentencepiece_file.h"

#include <cstring>

#include "engine/error.h"

namespace lowland {
namespace {

// Protocol buffers: fields of a number, a wire type and a value.
class Fields {
 public:
  Fields(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  struct Field {
    uint64_t number = 0;
    uint64_t value = 0;         // wire types 0 (varint) and 5 (32 bits)
    std::string_view contents;  // wire type 2
  };
  bool next(Field& field) {
    if (at_ == bytes_.size()) return false;
    const uint64_t key = varint();
    field = {key >> 3, 0, {}};
    switch (key & 7) {
      case 0: field.value = varint(); break;
      case 1: (void)take(8); break;
      case 2: field.contents = take(varint()); break;
      case 5: {
        const std::string_view four = take(4);
        uint32_t value;
        std::memcpy(&value, four.data(), 4);
        field.value = value;
        break;
      }
      default: broken();
    }
    return true;
  }

 private:
  [[noreturn]] void broken() const { fail("{}: not a sentencepiece model, or cut short", name_); }
  std::string_view take(uint64_t n) {
    if (n > bytes_.size() - at_) broken();
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    broken();
  }

  std::string_view bytes_;
  const std::string& name_;
  size_t at_ = 0;
};

SentencePieceFile::Piece piece_of(std::string_view bytes, const std::string& name) {
  SentencePieceFile::Piece piece;
  Fields fields(bytes, name);
  for (Fields::Field field; fields.next(field);) {
    if (field.number == 1) piece.text = field.contents;
    if (field.number == 2) {
      const auto bits = static_cast<uint32_t>(field.value);
      std::memcpy(&piece.score, &bits, 4);
    }
    if (field.number == 3) piece.kind = static_cast<SentencePieceFile::Kind>(field.value);
  }
  return piece;
}

void read_trainer(std::string_view bytes, const std::string& name, SentencePieceFile& out) {
  Fields fields(bytes, name);
  for (Fields::Field field; fields.next(field);) {
    if (field.number == 3) out.model_type = static_cast<int64_t>(field.value);
    if (field.number == 24) out.whitespace_as_suffix = field.value != 0;
    if (field.number == 35) out.byte_fallback = field.value != 0;
  }
}

void read_normalizer(std::string_view bytes, const std::string& name, SentencePieceFile& out) {
  Fields fields(bytes, name);
  for (Fields::Field field; fields.next(field);) {
    if (field.number == 2) out.rules = field.contents;
    if (field.number == 3) out.add_dummy_prefix = field.value != 0;
    if (field.number == 4) out.remove_extra_whitespaces = field.value != 0;
    if (field.number == 5) out.escape_whitespaces = field.value != 0;
  }
}

}  // namespace

SentencePieceFile parse_sentencepiece(std::string_view bytes, const std::string& name) {
  SentencePieceFile out;
  bool trainer = false, normalizer = false;
  Fields fields(bytes, name);
  for (Fields::Field field; fields.next(field);) {
    trainer |= field.number == 2;
    normalizer |= field.number == 3;
    if (field.number == 1) out.pieces.push_back(piece_of(field.contents, name));
    if (field.number == 2) read_trainer(field.contents, name, out);
    if (field.number == 3) read_normalizer(field.contents, name, out);
  }
  LL_CHECK(!out.pieces.empty(), "{}: a sentencepiece model without pieces", name);
  LL_CHECK(trainer && normalizer, "{}: a sentencepiece model that is cut short", name);
  return out;
}

}  // namespace lowland

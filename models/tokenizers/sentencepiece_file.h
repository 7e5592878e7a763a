// The parts of a sentencepiece model file (sentencepiece_model.proto of github.com/google/sentencepiece) that
// encoding needs.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

struct SentencePieceFile {
  enum class Kind { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  struct Piece {
    std::string text;
    float score = 0;
    Kind kind = Kind::kNormal;
  };
  std::vector<Piece> pieces;
  // 1 unigram, 2 bpe, 3 word, 4 char
  int64_t model_type = 1;
  bool byte_fallback = false, whitespace_as_suffix = false;
  std::string rules;  // the character map of the normalization; empty: the identity
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
};

// name: the file, for errors. Error if the bytes are not such a model.
SentencePieceFile parse_sentencepiece(std::string_view bytes, const std::string& name);

// The other way round, without rules of normalization. ids: -1 for none.
struct SentencePieceIds {
  int64_t unk = -1, bos = -1, eos = -1, pad = -1;
};
std::string sentencepiece_bytes(const SentencePieceFile& file, const SentencePieceIds& ids);

}  // namespace lowland

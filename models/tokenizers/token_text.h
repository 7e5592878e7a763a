// Ids back to text, one at a time or all at once.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizers/tokenizer.h"

namespace lowland {

// The decoders of the tokenizers library that models with byte-pair encoding ship, and llama2.c's.
struct DecodeRules {
  // kBytes: all bytes are joined and read as UTF-8 (ByteLevel; llama2.c). kByteRuns: a run of byte pieces is
  // text if the whole of it is UTF-8, else one U+FFFD for each (ByteFallback).
  enum class Bytes { kBytes, kByteRuns } bytes = Bytes::kBytes;
  bool byte_pieces = false;  // pieces `<0x00>` ... are bytes
  enum class Start { kKeep, kStripSpace, kDropMarks };
  // kStripSpace: one space at the start of the whole is left out (Strip). kDropMarks: all spaces of the first
  // token are (Metaspace).
  Start start = Start::kKeep;
  // llama2.c: a piece that begins with a space loses it behind this id, and at the start, where the id was
  // before.
  int32_t strip_after = -1;
};

// What the id stands for.
struct TokenText {
  std::string piece;  // as the vocabulary writes it
  std::string text;   // what it decodes to: bytes
  bool special = false;
  bool byte = false;  // a byte piece: its text is that byte
};

class TokenTextStream final : public DecodeStream {
 public:
  TokenTextStream(const std::vector<TokenText>& tokens, DecodeRules rules, bool skip_special)
      : tokens_(tokens), rules_(rules), skip_special_(skip_special), previous_(rules.strip_after) {}
  void feed(int32_t id, std::string& out) override;
  void finish(std::string& out) override;

 private:
  void end_run(std::string& out);
  void put_text(std::string_view text, std::string& out);
  void put_bytes(std::string& out, bool last);

  const std::vector<TokenText>& tokens_;
  DecodeRules rules_;
  bool skip_special_;
  bool first_ = true;     // no token yet
  bool at_start_ = true;  // no text yet
  int32_t previous_;
  std::string held_;  // bytes that are not yet surely text
};

}  // namespace lowland

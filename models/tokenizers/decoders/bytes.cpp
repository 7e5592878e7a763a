#include "models/tokenizers/decoders/bytes.h"

#include <cctype>
#include <cstdlib>

#include "models/tokenizers/byte_alphabet.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

// How many bytes at the end may still become a character with what follows.
size_t unfinished(std::string_view bytes) {
  size_t back = 1;
  while (back <= 3 && back <= bytes.size()) {
    const char* p = bytes.data() + bytes.size() - back;
    const auto byte = static_cast<unsigned char>(*p);
    if ((byte & 0xC0) != 0x80) {
      if (byte < 0xC2 || byte > 0xF4) return 0;
      const size_t length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
      const Utf8Char c = utf8_next(p, p + back);  // all of it, if what is there can begin a character
      return length > back && static_cast<size_t>(c.length) == back ? back : 0;
    }
    ++back;
  }
  return 0;
}

// All bytes are one token, read as UTF-8; what is not UTF-8 becomes U+FFFD.
class ByteStage : public DecodeStage {
 public:
  void finish() override {
    give_text(held_.size(), true);
    next_->finish();
  }

 protected:
  void put(std::string_view bytes) {
    held_.append(bytes);
    if (const size_t whole = held_.size() - unfinished(held_)) give_text(whole, false);
  }

 private:
  void give_text(size_t size, bool last) {
    const std::string_view bytes(held_.data(), size);
    if (utf8_valid(bytes))
      give(bytes, first_, last);
    else
      give(utf8_repair(bytes), first_, last);
    first_ = false;
    held_.erase(0, size);
  }

  std::string held_;  // bytes that are not yet surely text
  bool first_ = true;
};

class ByteLevelStage final : public ByteStage {
 public:
  void take(std::string_view text, bool begins, bool ends) override {
    if (begins && ends) return token(text);
    token_.append(text);
    if (!ends) return;
    token(token_);
    token_.clear();
  }

 private:
  void token(std::string_view text) {
    const auto bytes = alphabet_.bytes_of(text);
    put(bytes ? std::string_view(*bytes) : text);
  }
  ByteAlphabet alphabet_;
  std::string token_;
};

class Llama2cStage final : public ByteStage {
 public:
  explicit Llama2cStage(std::string begin) : begin_(std::move(begin)) {}
  void take(std::string_view text, bool, bool) override {
    const bool behind_begin = behind_begin_;
    behind_begin_ = text == begin_;
    if (const int byte = byte_of_piece(text); byte >= 0) {
      const auto c = static_cast<char>(byte);
      return put({&c, 1});
    }
    put(behind_begin && text.starts_with(' ') ? text.substr(1) : text);
  }

 private:
  std::string begin_;
  bool behind_begin_ = true;
};

// A run of byte pieces is text if the whole of it is UTF-8, else one U+FFFD for each.
class ByteFallbackStage final : public TokenStage {
 public:
  void finish() override {
    end_run();
    next_->finish();
  }

 protected:
  void token(std::string_view text) override {
    if (const int byte = byte_of_piece(text); byte >= 0) {
      held_.push_back(static_cast<char>(byte));
    } else {
      end_run();
      give(text);
    }
  }

 private:
  void end_run() {
    if (held_.empty()) return;
    if (utf8_valid(held_)) {
      give(held_);
    } else {
      for (size_t i = 0; i < held_.size(); ++i) give("\xef\xbf\xbd");
    }
    held_.clear();
  }
  std::string held_;
};

}  // namespace

int byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const std::string digits(piece[3] == '+' ? piece.substr(4, 1) : piece.substr(3, 2));  // as Rust reads a number
  for (const char c : digits) {
    if (!std::isxdigit(static_cast<unsigned char>(c))) return -1;
  }
  return static_cast<int>(std::strtol(digits.c_str(), nullptr, 16));
}

std::unique_ptr<DecodeStage> byte_level_stage() { return std::make_unique<ByteLevelStage>(); }
std::unique_ptr<DecodeStage> byte_fallback_stage() { return std::make_unique<ByteFallbackStage>(); }
std::unique_ptr<DecodeStage> llama2c_stage(std::string begin) {
  return std::make_unique<Llama2cStage>(std::move(begin));
}

}  // namespace lowland

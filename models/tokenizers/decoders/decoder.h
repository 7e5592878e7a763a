// From tokens back to text: the `decoder` of a tokenizer.json, a chain of stages.
#pragma once
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

// A stage takes the tokens of one text in order and gives the next stage its own, as soon as they are certain.
class DecodeStage {
 public:
  virtual ~DecodeStage() = default;
  // A token, or a part of one: begins and ends say whether it is the first and the last part.
  virtual void take(std::string_view text, bool begins, bool ends) = 0;
  // Behind the last token.
  virtual void finish() { next_->finish(); }
  void set_next(DecodeStage* next) { next_ = next; }

 protected:
  void give(std::string_view text, bool begins = true, bool ends = true) { next_->take(text, begins, ends); }
  DecodeStage* next_ = nullptr;
};

// A stage on whole tokens: parts are held until their token ends.
class TokenStage : public DecodeStage {
 public:
  void take(std::string_view text, bool begins, bool ends) final {
    if (begins && ends) return token(text);
    held_.append(text);
    if (!ends) return;
    token(held_);
    held_.clear();
  }

 protected:
  virtual void token(std::string_view text) = 0;

 private:
  std::string held_;
};

// Makes the stages of a stream.
using Decoder = std::vector<std::function<std::unique_ptr<DecodeStage>()>>;

// The `decoder` of a tokenizer.json; where it is null, tokens are joined by spaces. Error, one sentence naming source,
// for a kind that is not known.
Decoder make_decoder(const nlohmann::json& component, const std::string& source);

Decoder byte_level_decoder();
// sentencepiece's: marks to spaces; byte pieces, if it has them; a space at the start of the whole left out.
Decoder sentencepiece_decoder(bool byte_pieces, bool strip_space);
// WordPiece with the prefix `##`.
Decoder word_piece_decoder();
// llama2.c's: pieces are bytes; behind the token `begin`, and at the start, a piece loses the space it begins with.
Decoder llama2c_decoder(std::string begin);

}  // namespace lowland

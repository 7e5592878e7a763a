#include "models/tokenizers/word_models/word_model.h"

#include <algorithm>

#include "engine/error.h"

namespace lowland {

Vocabulary::Vocabulary(std::vector<std::string> pieces, const std::string& source, bool unique)
    : pieces_(std::move(pieces)) {
  id_of_.reserve(pieces_.size());
  for (size_t id = 0; id < pieces_.size(); ++id) {
    const std::string& piece = pieces_[id];
    if (piece.empty()) continue;
    const auto [at, fresh] = id_of_.emplace(piece, static_cast<int32_t>(id));
    LL_CHECK(fresh || !unique, "{}: the piece '{}' has two ids", source, piece);
    at->second = static_cast<int32_t>(id);
    ++count_;
    longest_ = std::max(longest_, piece.size());
  }
}

int32_t Vocabulary::id_of(std::string_view piece) const {
  const auto it = id_of_.find(piece);
  return it == id_of_.end() ? -1 : it->second;
}

UnknownToken::UnknownToken(const Vocabulary& vocabulary, std::string named, std::string file)
    : text(std::move(named)), source(std::move(file)) {
  if (text.empty()) return;
  id = vocabulary.id_of(text);
  if (id < 0) id = kLacking;
}

int32_t UnknownToken::need() const {
  LL_CHECK(id != kLacking, "{}: a text has what the vocabulary lacks, and it lacks the unk_token '{}', too", source,
           text);
  LL_CHECK(id != kNone, "{}: a text has what the vocabulary lacks, and there is no unk_token", source);
  return id;
}

namespace {

class WordLevel final : public WordModel {
 public:
  WordLevel(Vocabulary vocabulary, UnknownToken unknown)
      : WordModel(std::move(vocabulary)), unknown_(std::move(unknown)) {}

  void encode(std::string_view word, Scratch& scratch) const override {
    const int32_t id = id_of(word);
    scratch.ids.assign(1, id >= 0 ? id : unknown_.need());
    scratch.ends.assign(1, static_cast<uint32_t>(word.size()));
  }

 private:
  UnknownToken unknown_;
};

class WordPiece final : public WordModel {
 public:
  WordPiece(Vocabulary vocabulary, WordPieceOptions options)
      : WordModel(std::move(vocabulary)), options_(std::move(options)) {}

  void encode(std::string_view word, Scratch& scratch) const override {
    scratch.ids.clear();
    scratch.ends.clear();
    if (!cut(word, scratch)) {
      scratch.ids.assign(1, options_.unknown.need());
      scratch.ends.assign(1, static_cast<uint32_t>(word.size()));
    }
  }

 private:
  bool cut(std::string_view word, Scratch& scratch) const {
    const auto starts = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
    if (static_cast<size_t>(std::count_if(word.begin(), word.end(), starts)) > options_.max_characters) return false;
    std::string piece;
    for (size_t at = 0; at < word.size();) {
      piece.assign(at > 0 ? options_.prefix : std::string());
      const size_t before = piece.size(), longest = vocabulary().longest();
      size_t length = std::min(word.size() - at, longest > before ? longest - before : 0);
      while (length > 0 && at + length < word.size() && !starts(word[at + length])) --length;
      piece += word.substr(at, length);
      int32_t id = -1;
      while (length > 0 && (id = id_of(piece)) < 0) {
        while (!starts(word[at + --length])) {}
        piece.resize(before + length);
      }
      if (id < 0) return false;
      at += length;
      scratch.ids.push_back(id);
      scratch.ends.push_back(static_cast<uint32_t>(at));
    }
    return true;
  }

  WordPieceOptions options_;
};

}  // namespace

std::unique_ptr<WordModel> word_piece_model(Vocabulary vocabulary, WordPieceOptions options) {
  return std::make_unique<WordPiece>(std::move(vocabulary), std::move(options));
}

std::unique_ptr<WordModel> word_level_model(Vocabulary vocabulary, UnknownToken unknown) {
  return std::make_unique<WordLevel>(std::move(vocabulary), std::move(unknown));
}

}  // namespace lowland

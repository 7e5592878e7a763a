// What gives the ids of one word: the `model` of a tokenizer.json.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lowland {

// Pieces by id; empty where an id is unused.
class Vocabulary {
 public:
  // unique: throws Error naming source if two ids share a piece. Otherwise the later id counts.
  Vocabulary(std::vector<std::string> pieces, const std::string& source, bool unique);
  Vocabulary(Vocabulary&&) = default;
  const std::vector<std::string>& pieces() const { return pieces_; }
  // -1 where there is none.
  int32_t id_of(std::string_view piece) const;
  // How many ids have a piece: the tokenizers package numbers added tokens from here.
  int32_t count() const { return count_; }
  // The longest piece, in bytes.
  size_t longest() const { return longest_; }

 private:
  std::vector<std::string> pieces_;
  std::unordered_map<std::string_view, int32_t> id_of_;  // keys point into pieces_
  int32_t count_ = 0;
  size_t longest_ = 0;
};

// Immutable after loading, so that threads may share it.
class WordModel {
 public:
  // Working memory of one thread.
  struct Scratch {
    virtual ~Scratch() = default;
    std::vector<int32_t> ids;
    bool with_ends = false;
    std::vector<uint32_t> ends;  // where with_ends: how many bytes of the word are used up with each id
  };

  explicit WordModel(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  virtual ~WordModel() = default;
  virtual std::unique_ptr<Scratch> make_scratch() const { return std::make_unique<Scratch>(); }
  // The ids of one word, which is not empty, in scratch.ids. Error if the word needs an unknown token that there is
  // none of.
  virtual void encode(std::string_view word, Scratch& scratch) const = 0;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  int32_t id_of(std::string_view piece) const { return vocabulary_.id_of(piece); }

 private:
  Vocabulary vocabulary_;
};

// The token for what a vocabulary lacks: its id; kNone: there is none; kLacking: one is named that is no piece.
struct UnknownToken {
  static constexpr int32_t kNone = -1, kLacking = -2;
  int32_t id = kNone;
  std::string text = {}, source = {};

  UnknownToken() = default;
  UnknownToken(const Vocabulary& vocabulary, std::string text, std::string source);
  // Its id. Error, one sentence, if there is none.
  int32_t need() const;
};

struct WordPieceOptions {
  std::string prefix = "##";  // of a piece that does not begin a word
  size_t max_characters = 100;
  UnknownToken unknown;
};
// The longest piece first, from the left (Wu et al. 2016, arXiv:1609.08144); a word that cannot be cut so is unknown.
std::unique_ptr<WordModel> word_piece_model(Vocabulary vocabulary, WordPieceOptions options);

// A word is a piece, or unknown.
std::unique_ptr<WordModel> word_level_model(Vocabulary vocabulary, UnknownToken unknown);

struct UnigramOptions {
  int32_t unknown = -1;  // -1: there is none, which a word that needs it tells
  bool byte_fallback = false;
  std::string source;
};
// The cut of the largest sum of scores (Kudo 2018, arXiv:1804.10959), by Viterbi. scores: of each piece.
std::unique_ptr<WordModel> unigram_model(Vocabulary vocabulary, std::vector<double> scores, UnigramOptions options);

}  // namespace lowland

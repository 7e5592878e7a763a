// Byte-pair encoding of one word: start from its bytes or characters and merge the neighbouring pair of
// lowest rank, leftmost first, until no pair is in the list (Sennrich et al. 2016, arXiv:1508.07909).
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "models/tokenizers/word_models/word_model.h"

namespace lowland {

// Open addressing from a pair of ids to the rank of its merge and the id it makes.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank;  // kNoRank: the pair does not merge
    int32_t id;
  };
  static constexpr uint32_t kNoRank = UINT32_MAX;

  MergeTable() = default;
  explicit MergeTable(size_t count);
  // A pair that is there already gets the new rank, as in Hugging Face's reader.
  void put(int32_t left, int32_t right, Merge merge);
  Merge find(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    for (size_t i = slot_of(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return slots_[i].merge;
      if (slots_[i].key == kEmpty) return {kNoRank, -1};
    }
  }

 private:
  struct Slot {
    uint64_t key;
    Merge merge;
  };
  static constexpr uint64_t kEmpty = UINT64_MAX;  // no pair: ids are not negative
  static uint64_t key_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t key) const { return static_cast<size_t>((key * 0x9E3779B97F4A7C15ull) >> shift_); }

  std::vector<Slot> slots_{{kEmpty, {kNoRank, -1}}, {kEmpty, {kNoRank, -1}}};
  size_t mask_ = 1;
  int shift_ = 63;
};

using MergeList = std::vector<std::pair<std::string, std::string>>;

// What a word is made of before any merge.
struct BpeOptions {
  // Byte level: pieces are written in the alphabet of byte_alphabet.h and a word starts as its bytes.
  // Otherwise a piece is plain text, and a word starts as its characters.
  bool byte_level = true;
  bool ignore_merges = false;  // a word that is a piece is that piece, whatever the merges say
  // A character that is no piece becomes the pieces `<0x00>` ... of its bytes, if byte_fallback says so and they
  // exist; else the unknown token; else nothing.
  bool byte_fallback = false;
  UnknownToken unknown = {};
  bool fuse_unk = false;  // neighbours that are unknown become one unknown token
  // Only where byte_level is false: what is written before each character but the first, and behind the last.
  std::string prefix = {}, suffix = {};
};

// Vocabulary and merges.
class BpeModel final : public WordModel {
 public:
  BpeModel(Vocabulary vocabulary, BpeOptions options);

  // Merges as pairs of pieces in order of rank. where(i) of an error is merges_source and the line
  // first_line + i, or the number i if first_line is negative. Throws Error if a half or the result is not in
  // the vocabulary.
  void set_merges(const MergeList& merges, const std::string& vocab_source, const std::string& merges_source,
                  int first_line);
  // Merges by score, as sentencepiece, tiktoken and llama2.c have them: any two neighbours whose joined text
  // is a piece may become it, the piece of the highest score first, of equal ones the leftmost. usable[id]:
  // whether the piece takes part.
  void set_scores(const std::vector<float>& scores, const std::vector<bool>& usable);

  std::unique_ptr<WordModel::Scratch> make_scratch() const override;
  // word may be any bytes.
  void encode(std::string_view word, WordModel::Scratch& scratch) const override;

  const std::vector<std::string>& pieces() const { return vocabulary().pieces(); }
  const BpeOptions& options() const { return options_; }
  // Whether some text would be left out: then what stands on both sides of it may merge.
  bool drops() const;

 private:
  struct Scratch;
  struct Start;
  void start_from_bytes(std::string_view word, Scratch& scratch) const;
  void start_from_characters(std::string_view word, Scratch& scratch) const;
  void put_unknown(std::string_view symbol, uint32_t length, Start& start) const;
  void merge_short(Scratch& scratch) const;
  void merge_long(Scratch& scratch) const;

  BpeOptions options_;
  std::unordered_map<std::string, int32_t> id_of_bytes_;  // filled only for ignore_merges at the byte level
  std::array<int32_t, 256> byte_id_;      // byte level: of each byte; else: of each character of one byte, or -1
  bool all_bytes_ = true;                 // none of them is -1
  std::array<int32_t, 256> fallback_id_;  // of `<0x00>` ..., or -1
  MergeTable merges_;
};

}  // namespace lowland

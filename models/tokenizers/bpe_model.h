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
  // Only where byte_level is false. A character that is no piece becomes the pieces `<0x00>` ... of its
  // bytes, if byte_fallback says so and they exist; else unk; else (-1) nothing.
  bool byte_fallback = false;
  int32_t unk = -1;
  bool fuse_unk = false;  // neighbours that are unknown become one unk
};

// Vocabulary and merges. Immutable after loading, so that threads may share it.
class BpeModel {
 public:
  // vocab_source: the file an error names. pieces[id] is a piece's text, empty where an id is unused. Throws
  // Error if two ids share a piece, or at the byte level one of the 256 bytes is missing.
  BpeModel(std::vector<std::string> pieces, const std::string& vocab_source, BpeOptions options);

  // Merges as pairs of pieces in order of rank. where(i) of an error is merges_source and the line
  // first_line + i, or the number i if first_line is negative. Throws Error if a half or the result is not in
  // the vocabulary.
  void set_merges(const MergeList& merges, const std::string& vocab_source, const std::string& merges_source,
                  int first_line);
  // Merges by score, as sentencepiece, tiktoken and llama2.c have them: any two neighbours whose joined text
  // is a piece may become it, the piece of the highest score first, of equal ones the leftmost. usable[id]:
  // whether the piece takes part.
  void set_scores(const std::vector<float>& scores, const std::vector<bool>& usable);

  struct Scratch {
    std::vector<int32_t> ids;                        // symbols of the word
    std::vector<uint32_t> ranks;                     // rank of each symbol with its right neighbour
    std::vector<int32_t> made;                       // id that such a merge makes
    std::vector<int32_t> previous, next;             // long words: linked list of symbols
    std::vector<std::pair<uint64_t, int32_t>> heap;  // long words: (rank, position), made id
  };
  // The ids of one word; valid until the scratch is used again. word may be any bytes.
  std::span<const int32_t> encode(std::string_view word, Scratch& scratch) const;

  const std::vector<std::string>& pieces() const { return pieces_; }
  const BpeOptions& options() const { return options_; }
  // -1 where there is none.
  int32_t id_of(std::string_view piece) const;

 private:
  void start_from_bytes(std::string_view word, std::vector<int32_t>& ids) const;
  void start_from_characters(std::string_view word, std::vector<int32_t>& ids) const;
  void merge_short(Scratch& scratch) const;
  void merge_long(Scratch& scratch) const;

  std::vector<std::string> pieces_;
  BpeOptions options_;
  std::unordered_map<std::string_view, int32_t> id_of_;   // keys point into pieces_
  std::unordered_map<std::string, int32_t> id_of_bytes_;  // filled only for ignore_merges at the byte level
  std::array<int32_t, 256> byte_id_;      // byte level: of each byte; else: of each character of one byte, or -1
  std::array<int32_t, 256> fallback_id_;  // of `<0x00>` ...; -1 everywhere if one is missing
  MergeTable merges_;
};

}  // namespace lowland

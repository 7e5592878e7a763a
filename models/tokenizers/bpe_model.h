// Byte-pair encoding of one word: start from its bytes and merge the neighbouring pair of lowest rank,
// leftmost first, until no pair is in the list (Sennrich et al. 2016, arXiv:1508.07909).
#pragma once
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

// Vocabulary and merges. Immutable after loading, so that threads may share it.
class BpeModel {
 public:
  // source: the file an error names. pieces[id] is a piece's text, empty where an id is unused. merges are
  // pairs of pieces in order of rank; where(i) names merge i in an error (file:line). Throws Error if two ids
  // share a piece, one of the 256 bytes is missing, or a merge's halves or result are not in the vocabulary.
  BpeModel(std::vector<std::string> pieces, const std::vector<std::pair<std::string, std::string>>& merges,
           const std::string& vocab_source, const std::string& merges_source, int merges_first_line,
           bool ignore_merges);

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
  // -1 where there is none.
  int32_t id_of(std::string_view piece) const;

 private:
  void merge_short(Scratch& scratch) const;
  void merge_long(Scratch& scratch) const;

  std::vector<std::string> pieces_;
  std::unordered_map<std::string_view, int32_t> id_of_;   // keys point into pieces_
  std::unordered_map<std::string, int32_t> id_of_bytes_;  // filled only for ignore_merges
  int32_t byte_id_[256];
  MergeTable merges_;
  bool ignore_merges_;
};

}  // namespace lowland

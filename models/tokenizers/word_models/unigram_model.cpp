// Unigram: of all cuts of a word into pieces the one whose scores add up to the most.
#include <algorithm>
#include <bit>
#include <limits>

#include "engine/error.h"
#include "models/tokenizers/utf8.h"
#include "models/tokenizers/word_models/word_model.h"

namespace lowland {
namespace {

// Pieces by their bytes: open addressing from a node and a byte to the next node.
class Trie {
 public:
  explicit Trie(const std::vector<std::string>& pieces) {
    size_t bytes = 0;
    for (const std::string& piece : pieces) bytes += piece.size();
    const size_t size = std::bit_ceil(std::max<size_t>(2, bytes * 2));
    mask_ = size - 1;
    shift_ = 64 - std::countr_zero(size);
    slots_.assign(size, {kEmpty, 0});
    for (size_t id = 0; id < pieces.size(); ++id) {
      if (pieces[id].empty()) continue;
      uint32_t node = 0;
      for (const char c : pieces[id]) {
        Slot& slot = slots_[slot_of(node, c)];
        if (slot.key == kEmpty) slot = {key_of(node, c), static_cast<uint32_t>(id_.size())}, id_.push_back(-1);
        node = slot.node;
      }
      id_[node] = static_cast<int32_t>(id);  // of equal pieces the last
    }
  }
  // The node behind a byte, 0 where there is none.
  uint32_t step(uint32_t node, char c) const {
    const Slot& slot = slots_[slot_of(node, c)];
    return slot.key == kEmpty ? 0 : slot.node;
  }
  // The piece that ends at a node, -1 for none.
  int32_t id(uint32_t node) const { return id_[node]; }

 private:
  struct Slot {
    uint64_t key;
    uint32_t node;
  };
  static constexpr uint64_t kEmpty = UINT64_MAX;
  static uint64_t key_of(uint32_t node, char c) {
    return static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(c);
  }
  size_t slot_of(uint32_t node, char c) const {
    const uint64_t key = key_of(node, c);
    size_t i = static_cast<size_t>((key * 0x9E3779B97F4A7C15ull) >> shift_);
    while (slots_[i].key != key && slots_[i].key != kEmpty) i = (i + 1) & mask_;
    return i;
  }

  std::vector<Slot> slots_;
  std::vector<int32_t> id_ = {-1};
  size_t mask_;
  int shift_;
};

class Unigram final : public WordModel {
 public:
  Unigram(Vocabulary vocabulary, std::vector<double> scores, UnigramOptions options)
      : WordModel(std::move(vocabulary)),
        scores_(std::move(scores)),
        options_(std::move(options)),
        trie_(this->vocabulary().pieces()) {
    constexpr double kUnknownPenalty = 10;
    double lowest = std::numeric_limits<double>::infinity();
    for (const double score : scores_) lowest = std::min(lowest, score);
    unknown_score_ = lowest - kUnknownPenalty;
    for (unsigned b = 0; b < 256; ++b) byte_id_[b] = options_.byte_fallback ? id_of(fmt::format("<0x{:02X}>", b)) : -1;
  }

  std::unique_ptr<WordModel::Scratch> make_scratch() const override { return std::make_unique<Scratch>(); }

  void encode(std::string_view word, WordModel::Scratch& base) const override {
    auto& scratch = static_cast<Scratch&>(base);
    find_path(word, scratch.path);
    scratch.ids.clear();
    scratch.ends.clear();
    auto& cuts = scratch.cuts;  // ends of the pieces, from the last; neighbours that are unknown are one
    cuts.clear();
    bool unknown_after = false;
    for (size_t end = word.size(); end > 0; end = scratch.path[end].start) {
      const bool unknown = options_.unknown >= 0 && scratch.path[end].id == options_.unknown;
      if (!unknown || !unknown_after) cuts.push_back(end);
      unknown_after = unknown;
    }
    size_t begin = 0;
    for (size_t i = cuts.size(); i-- > 0; begin = cuts[i]) put(word.substr(begin, cuts[i] - begin), cuts[i], scratch);
  }

 private:
  struct Node {
    double score = 0;
    size_t start = kUnreached;
    int32_t id = -1;
  };
  static constexpr size_t kUnreached = static_cast<size_t>(-1);
  struct Scratch final : WordModel::Scratch {
    std::vector<Node> path;  // by end, in bytes
    std::vector<size_t> cuts;
  };

  int32_t unknown() const {
    LL_CHECK(options_.unknown >= 0, "{}: a text has what the vocabulary lacks, and there is no unk_id",
             options_.source);
    return options_.unknown;
  }

  // Scores are added as the tokenizers package adds them: of equal sums the one found first stays.
  void find_path(std::string_view word, std::vector<Node>& path) const {
    path.assign(word.size() + 1, {});
    const auto offer = [&path](size_t from, size_t to, int32_t id, double score) {
      const double sum = score + path[from].score;
      if (path[to].start == kUnreached || sum > path[to].score) path[to] = {sum, from, id};
    };
    for (size_t at = 0, length; at < word.size(); at += length) {
      length = utf8_next(word.data() + at, word.data() + word.size()).length;
      bool single = false;
      uint32_t node = 0;
      for (size_t end = at; end < word.size();) {
        node = trie_.step(node, word[end++]);
        if (node == 0) break;
        const int32_t id = trie_.id(node);
        if (id < 0) continue;
        offer(at, end, id, scores_[id]);
        single |= end - at == length;
      }
      if (!single) offer(at, at + length, unknown(), unknown_score_);
    }
  }

  void put(std::string_view text, size_t end, Scratch& scratch) const {
    const auto put_id = [&](int32_t id, size_t at) {
      scratch.ids.push_back(id);
      scratch.ends.push_back(static_cast<uint32_t>(at));
    };
    if (const int32_t id = id_of(text); id >= 0) return put_id(id, end);
    const auto byte_id = [this](char c) { return byte_id_[static_cast<unsigned char>(c)]; };
    if (!std::all_of(text.begin(), text.end(), [&](char c) { return byte_id(c) >= 0; })) return put_id(unknown(), end);
    for (size_t i = 0; i < text.size(); ++i) put_id(byte_id(text[i]), end - text.size() + i + 1);
  }

  std::vector<double> scores_;
  UnigramOptions options_;
  Trie trie_;
  double unknown_score_;
  int32_t byte_id_[256];
};

}  // namespace

std::unique_ptr<WordModel> unigram_model(Vocabulary vocabulary, std::vector<double> scores, UnigramOptions options) {
  return std::make_unique<Unigram>(std::move(vocabulary), std::move(scores), std::move(options));
}

}  // namespace lowland

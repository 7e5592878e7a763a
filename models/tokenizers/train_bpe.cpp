#include "models/tokenizers/train_bpe.h"

#include <algorithm>
#include <fstream>
#include <queue>
#include <sstream>
#include <unordered_map>

#include "engine/error.h"
#include "models/tokenizers/byte_alphabet.h"
#include "models/tokenizers/pre_tokenizers/gpt2_split.h"
#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

struct Word {
  std::vector<int32_t> ids;
  int64_t count = 0;
};

class WordCounts {
 public:
  void add(std::string_view text) {
    std::string repaired;
    if (!utf8_valid(text)) text = repaired = utf8_repair(text);
    while (!text.empty()) {
      const size_t line = std::min(text.size(), text.find('\n') + 1 == 0 ? text.size() : text.find('\n') + 1);
      add_line(text.substr(0, line));
      text.remove_prefix(line);
    }
  }
  // In the order in which they were met, which no hash decides.
  const std::vector<std::pair<std::string, int64_t>>& all() const { return words_; }

 private:
  void add_line(std::string_view line) {
    for (const char *p = line.data(), *end = p + line.size(); p < end;) {
      const char* stop = gpt2_word_end(unicode_classes(), p, end);
      std::string word(p, stop);
      p = stop;
      const auto [it, fresh] = index_.try_emplace(std::move(word), words_.size());
      if (fresh) words_.emplace_back(it->first, 0);
      ++words_[it->second].second;
    }
  }
  std::unordered_map<std::string, size_t> index_;
  std::vector<std::pair<std::string, int64_t>> words_;
};

// The merging itself. Keeps for each pair how often it occurs and in which words it may; a heap hands out the
// commonest.
class Trainer {
 public:
  Trainer(const WordCounts& counts, const TrainBpeOptions& options) : options_(options) {
    start_alphabet();
    for (const auto& [text, count] : counts.all()) {
      Word word{.ids = {}, .count = count};
      for (const char c : text) word.ids.push_back(byte_id_[static_cast<unsigned char>(c)]);
      words_.push_back(std::move(word));
    }
    for (size_t w = 0; w < words_.size(); ++w) {
      const auto& ids = words_[w].ids;
      for (size_t i = 0; i + 1 < ids.size(); ++i) change(ids[i], ids[i + 1], +1, w);
    }
    push_changed();
  }

  BpeVocabulary run() {
    while (static_cast<int64_t>(result_.pieces.size()) < options_.vocab_size && !heap_.empty()) {
      Candidate top = heap_.top();
      heap_.pop();
      Pair& pair = pairs_.at(top.key);
      if (top.count != pair.count) {  // some were merged away since it was pushed
        top.count = pair.count;
        if (top.count > 0) heap_.push(top);
        continue;
      }
      if (top.count < options_.min_frequency) break;
      if (!pair.words.empty()) merge(top.key);
    }
    return std::move(result_);
  }

 private:
  struct Pair {
    int64_t count = 0;
    std::vector<uint32_t> words;  // may hold words that have it no more
    bool changed = false;
  };
  struct Candidate {
    int64_t count;
    uint64_t key;
    bool operator<(const Candidate& o) const { return count != o.count ? count < o.count : key > o.key; }
  };
  static uint64_t key_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }

  void start_alphabet() {
    for (const std::string& token : options_.special_tokens) add_piece(token);
    const ByteAlphabet alphabet;
    std::vector<uint8_t> bytes(256);
    for (unsigned b = 0; b < 256; ++b) bytes[b] = static_cast<uint8_t>(b);
    std::sort(bytes.begin(), bytes.end(), [&](uint8_t a, uint8_t b) { return alphabet.code(a) < alphabet.code(b); });
    for (const uint8_t b : bytes) byte_id_[b] = add_piece(alphabet.character(b));
    LL_CHECK(options_.vocab_size >= static_cast<int64_t>(result_.pieces.size()),
             "a vocabulary of {} has no room for {} special tokens and 256 bytes", options_.vocab_size,
             options_.special_tokens.size());
  }

  int32_t add_piece(const std::string& piece) {
    const auto [it, fresh] = id_of_.try_emplace(piece, static_cast<int32_t>(result_.pieces.size()));
    if (fresh) result_.pieces.push_back(piece);
    return it->second;
  }

  void change(int32_t left, int32_t right, int sign, size_t word) {
    const uint64_t key = key_of(left, right);
    Pair& pair = pairs_[key];
    pair.count += sign * words_[word].count;
    if (sign < 0) return;
    if (pair.words.empty() || pair.words.back() != word) pair.words.push_back(static_cast<uint32_t>(word));
    if (!pair.changed) changed_.push_back(key);
    pair.changed = true;
  }

  void push_changed() {
    for (const uint64_t key : changed_) {
      Pair& pair = pairs_.at(key);
      pair.changed = false;
      if (pair.count > 0) heap_.push({pair.count, key});
    }
    changed_.clear();
  }

  void merge(uint64_t key) {
    const auto left = static_cast<int32_t>(key >> 32), right = static_cast<int32_t>(key & UINT32_MAX);
    const int32_t made = add_piece(result_.pieces[left] + result_.pieces[right]);
    // A pair that comes up again, in words that another merge changed, keeps its rank.
    if (merged_.try_emplace(key, made).second) result_.merges.emplace_back(left, right);
    const std::vector<uint32_t> words = std::exchange(pairs_.at(key).words, {});
    for (const uint32_t w : words) merge_in(w, left, right, made);
    push_changed();
  }

  void merge_in(size_t w, int32_t left, int32_t right, int32_t made) {
    std::vector<int32_t>& ids = words_[w].ids;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      if (ids[i] != left || ids[i + 1] != right) continue;
      ids[i] = made;
      ids.erase(ids.begin() + i + 1);
      if (i > 0) {
        change(ids[i - 1], left, -1, w);
        change(ids[i - 1], made, +1, w);
      }
      if (i + 1 < ids.size()) {
        change(right, ids[i + 1], -1, w);
        change(made, ids[i + 1], +1, w);
      }
    }
  }

  const TrainBpeOptions& options_;
  int32_t byte_id_[256] = {};
  BpeVocabulary result_;
  std::unordered_map<std::string, int32_t> id_of_;
  std::vector<Word> words_;
  std::unordered_map<uint64_t, Pair> pairs_;
  std::unordered_map<uint64_t, int32_t> merged_;
  std::vector<uint64_t> changed_;
  std::priority_queue<Candidate> heap_;
};

BpeVocabulary train(const WordCounts& counts, const TrainBpeOptions& options) {
  LL_CHECK(!counts.all().empty(), "there is no text to train a vocabulary on");
  return Trainer(counts, options).run();
}

}  // namespace

BpeVocabulary train_bpe(const std::vector<std::string>& files, const TrainBpeOptions& options) {
  WordCounts counts;
  for (const std::string& file : files) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    LL_CHECK(in.good(), "{}: cannot be opened for reading", file);
    text << in.rdbuf();
    LL_CHECK(!in.bad(), "{}: cannot be read", file);
    counts.add(text.str());
  }
  return train(counts, options);
}

BpeVocabulary train_bpe_on_text(const std::vector<std::string_view>& texts, const TrainBpeOptions& options) {
  WordCounts counts;
  for (const std::string_view text : texts) counts.add(text);
  return train(counts, options);
}

}  // namespace lowland

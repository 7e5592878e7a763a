#include "models/tokenizers/word_models/bpe_model.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "engine/error.h"
#include "models/tokenizers/byte_alphabet.h"

namespace lowland {
namespace {

// A scan for the best pair costs n per merge; from here on a heap is faster.
constexpr size_t kLongWord = 64;

// Heap order: rank first, then position, both in one number.
uint64_t heap_key(uint32_t rank, size_t position) { return static_cast<uint64_t>(rank) << 32 | position; }

}  // namespace

MergeTable::MergeTable(size_t count) {
  const size_t size = std::bit_ceil(std::max<size_t>(2, count * 2));
  slots_.assign(size, {kEmpty, {kNoRank, -1}});
  mask_ = size - 1;
  shift_ = 64 - std::countr_zero(size);
}

void MergeTable::put(int32_t left, int32_t right, Merge merge) {
  const uint64_t key = key_of(left, right);
  size_t i = slot_of(key);
  while (slots_[i].key != kEmpty && slots_[i].key != key) i = (i + 1) & mask_;
  slots_[i] = {key, merge};
}

struct BpeModel::Scratch final : WordModel::Scratch {
  std::vector<uint32_t> ranks;                     // rank of each symbol with its right neighbour
  std::vector<int32_t> made;                       // id that such a merge makes
  std::vector<int32_t> previous, next;             // long words: linked list of symbols
  std::vector<std::pair<uint64_t, int32_t>> heap;  // long words: (rank, position), made id
  std::string spelled;                             // a character with prefix and suffix
};

std::unique_ptr<WordModel::Scratch> BpeModel::make_scratch() const { return std::make_unique<Scratch>(); }

BpeModel::BpeModel(Vocabulary vocabulary, BpeOptions options)
    : WordModel(std::move(vocabulary)), options_(std::move(options)) {
  const ByteAlphabet alphabet;
  for (size_t id = 0; options_.ignore_merges && options_.byte_level && id < pieces().size(); ++id) {
    if (auto bytes = alphabet.bytes_of(pieces()[id]); bytes && !bytes->empty())
      id_of_bytes_.emplace(std::move(*bytes), static_cast<int32_t>(id));
  }
  fallback_id_.fill(-1);
  for (unsigned b = 0; b < 256; ++b) {
    byte_id_[b] = id_of(options_.byte_level ? std::string_view(alphabet.character(static_cast<uint8_t>(b)))
                                            : std::string(1, static_cast<char>(b)));
    all_bytes_ &= byte_id_[b] >= 0;
    if (options_.byte_fallback) fallback_id_[b] = id_of(fmt::format("<0x{:02X}>", b));
  }
}

void BpeModel::set_merges(const MergeList& merges, const std::string& vocab_source, const std::string& merges_source,
                          int first_line) {
  merges_ = MergeTable(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string &left = merges[rank].first, &right = merges[rank].second;
    const auto known = [&](const std::string& piece, const char* role) {
      const int32_t id = id_of(piece);
      if (id >= 0) return id;
      const std::string where = first_line < 0 ? fmt::format("{}: merge {}", merges_source, rank)
                                               : fmt::format("{}:{}", merges_source, first_line + rank);
      fail("{}: {} '{}' of the merge '{} {}' is not in the vocabulary ({})", where, role, piece, left, right,
           vocab_source);
    };
    const int32_t l = known(left, "the left half"), r = known(right, "the right half");
    const std::string made = left + right.substr(std::min(options_.prefix.size(), right.size()));
    merges_.put(l, r, {static_cast<uint32_t>(rank), known(made, "the result")});
  }
}

void BpeModel::set_scores(const std::vector<float>& scores, const std::vector<bool>& usable) {
  std::vector<int32_t> order;
  for (size_t id = 0; id < pieces().size(); ++id) {
    if (usable[id] && pieces()[id].size() > 1) order.push_back(static_cast<int32_t>(id));
  }
  const auto score = [&scores](int32_t id) { return scores[id]; };
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return score(a) > score(b); });
  struct Found {
    int32_t left, right;
    MergeTable::Merge merge;
  };
  std::vector<Found> found;
  uint32_t rank = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && score(order[i]) < score(order[i - 1])) rank = static_cast<uint32_t>(i);
    const std::string_view piece = pieces()[order[i]];
    for (size_t cut = 1; cut < piece.size(); ++cut) {
      if ((static_cast<unsigned char>(piece[cut]) & 0xC0) == 0x80) continue;  // inside a character
      const int32_t left = id_of(piece.substr(0, cut)), right = id_of(piece.substr(cut));
      if (left >= 0 && right >= 0 && usable[left] && usable[right]) found.push_back({left, right, {rank, order[i]}});
    }
  }
  merges_ = MergeTable(found.size());
  for (const Found& f : found) merges_.put(f.left, f.right, f.merge);
}

bool BpeModel::drops() const {
  const bool bytes = std::find(fallback_id_.begin(), fallback_id_.end(), -1) == fallback_id_.end();
  return !bytes && options_.unknown.id == UnknownToken::kNone && !(options_.byte_level && all_bytes_);
}

void BpeModel::encode(std::string_view word, WordModel::Scratch& base) const {
  auto& scratch = static_cast<Scratch&>(base);
  auto& ids = scratch.ids;
  ids.clear();
  scratch.ends.clear();
  if (options_.ignore_merges) {
    int32_t whole = -1;
    if (options_.byte_level) {
      if (const auto it = id_of_bytes_.find(std::string(word)); it != id_of_bytes_.end()) whole = it->second;
    } else {
      whole = id_of(word);
    }
    if (whole >= 0) {
      ids.push_back(whole);
      scratch.ends.push_back(static_cast<uint32_t>(word.size()));
      return;
    }
  }
  if (options_.byte_level)
    start_from_bytes(word, scratch);
  else
    start_from_characters(word, scratch);
  if (ids.size() < kLongWord)
    merge_short(scratch);
  else
    merge_long(scratch);
  uint32_t at = 0;
  for (uint32_t& end : scratch.ends) end = at += end;  // until here they were lengths
}

// The symbols that a word starts as. The unknown ones wait: with fuse_unk the next may join them.
struct BpeModel::Start {
  Scratch& scratch;
  int32_t waiting = -1;
  uint32_t waiting_length = 0, lost = 0;  // lost: bytes that were left out; they count to the next symbol

  void put(int32_t id, uint32_t length) {
    scratch.ids.push_back(id);
    if (scratch.with_ends) scratch.ends.push_back(length + lost);
    lost = 0;
  }
  void put_waiting() {
    if (waiting >= 0) put(waiting, waiting_length);
    waiting = -1;
  }
  void finish() {
    put_waiting();
    if (!scratch.ends.empty()) scratch.ends.back() += lost;
  }
};

void BpeModel::put_unknown(std::string_view symbol, uint32_t length, Start& start) const {
  const auto fallback = [this](char c) { return fallback_id_[static_cast<unsigned char>(c)]; };
  if (options_.byte_fallback && std::all_of(symbol.begin(), symbol.end(), [&](char c) { return fallback(c) >= 0; })) {
    // What waits keeps waiting, as in the tokenizers package.
    for (size_t i = 0; i < symbol.size(); ++i)
      start.put(fallback(symbol[i]), symbol.size() == length ? 1 : i + 1 == symbol.size() ? length : 0);
  } else if (options_.unknown.id != UnknownToken::kNone) {
    if (!options_.fuse_unk) start.put_waiting();
    start.waiting_length = length + (start.waiting >= 0 ? start.waiting_length : 0);
    start.waiting = options_.unknown.need();
  } else {
    start.lost += length;
  }
}

void BpeModel::start_from_bytes(std::string_view word, Scratch& scratch) const {
  if (all_bytes_) {
    scratch.ids.resize(word.size());
    for (size_t i = 0; i < word.size(); ++i) scratch.ids[i] = byte_id_[static_cast<unsigned char>(word[i])];
    if (scratch.with_ends) scratch.ends.assign(word.size(), 1);
    return;
  }
  const ByteAlphabet alphabet;
  Start start{scratch};
  for (const char c : word) {
    const int32_t id = byte_id_[static_cast<unsigned char>(c)];
    if (id >= 0)
      start.put_waiting(), start.put(id, 1);
    else
      put_unknown(alphabet.character(static_cast<uint8_t>(c)), 1, start);
  }
  start.finish();
}

void BpeModel::start_from_characters(std::string_view word, Scratch& scratch) const {
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  const bool spelled = !options_.prefix.empty() || !options_.suffix.empty();
  Start start{scratch};
  for (size_t at = 0, length; at < word.size(); at += length) {
    // At most four bytes: where the text is not UTF-8 (llama2.c's reader takes any bytes) a run is cut there.
    for (length = 1; at + length < word.size() && length < 4 && continues(word[at + length]);) ++length;
    std::string_view symbol = word.substr(at, length);
    if (spelled) {
      scratch.spelled.assign(at > 0 ? options_.prefix : std::string()).append(symbol);
      if (at + length == word.size()) scratch.spelled += options_.suffix;
      symbol = scratch.spelled;
    }
    const int32_t id = symbol.size() == 1 ? byte_id_[static_cast<unsigned char>(symbol[0])] : id_of(symbol);
    if (id >= 0)
      start.put_waiting(), start.put(id, static_cast<uint32_t>(length));
    else
      put_unknown(symbol, static_cast<uint32_t>(length), start);
  }
  start.finish();
}

void BpeModel::merge_short(Scratch& scratch) const {
  auto &ids = scratch.ids, &made = scratch.made;
  auto& ranks = scratch.ranks;
  size_t n = ids.size();
  if (n < 2) return;
  ranks.resize(n);
  made.resize(n);
  const auto look_up = [&](size_t i) {
    const auto merge = merges_.find(ids[i], ids[i + 1]);
    ranks[i] = merge.rank;
    made[i] = merge.id;
  };
  for (size_t i = 0; i + 1 < n; ++i) look_up(i);
  while (n > 1) {
    const auto best = std::min_element(ranks.begin(), ranks.begin() + n - 1);
    if (*best == MergeTable::kNoRank) break;
    const size_t at = best - ranks.begin();
    ids[at] = made[at];
    if (scratch.with_ends) {
      scratch.ends[at] += scratch.ends[at + 1];
      scratch.ends.erase(scratch.ends.begin() + at + 1);
    }
    std::copy(ids.begin() + at + 2, ids.begin() + n, ids.begin() + at + 1);
    std::copy(ranks.begin() + at + 1, ranks.begin() + n, ranks.begin() + at);
    std::copy(made.begin() + at + 1, made.begin() + n, made.begin() + at);
    --n;
    if (at > 0) look_up(at - 1);
    if (at + 1 < n) look_up(at);
  }
  ids.resize(n);
}

void BpeModel::merge_long(Scratch& scratch) const {
  auto &ids = scratch.ids, &previous = scratch.previous, &next = scratch.next;
  auto& heap = scratch.heap;
  const size_t n = ids.size();
  previous.resize(n);
  next.resize(n);
  heap.clear();
  const auto push = [&](int32_t left) {
    const int32_t right = next[left];
    const auto merge = merges_.find(ids[left], ids[right]);
    if (merge.rank == MergeTable::kNoRank) return;
    heap.emplace_back(heap_key(merge.rank, left), merge.id);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  for (size_t i = 0; i < n; ++i) {
    previous[i] = static_cast<int32_t>(i) - 1;
    next[i] = i + 1 < n ? static_cast<int32_t>(i) + 1 : -1;
  }
  for (size_t i = 0; i + 1 < n; ++i) push(static_cast<int32_t>(i));
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const auto [key, id] = heap.back();
    heap.pop_back();
    const size_t left = key & UINT32_MAX;
    if (ids[left] < 0 || next[left] < 0) continue;  // merged away since, or last by now
    const size_t right = next[left];
    if (merges_.find(ids[left], ids[right]).id != id) continue;  // one of the two has changed since
    ids[left] = id;
    ids[right] = -1;
    if (scratch.with_ends) scratch.ends[left] += std::exchange(scratch.ends[right], 0);
    next[left] = next[right];
    if (next[left] >= 0) previous[next[left]] = static_cast<int32_t>(left);
    if (previous[left] >= 0) push(previous[left]);
    if (next[left] >= 0) push(static_cast<int32_t>(left));
  }
  for (size_t i = 0, kept = 0; scratch.with_ends && i < n; ++i) {
    if (ids[i] >= 0) scratch.ends[kept++] = scratch.ends[i];
  }
  std::erase(ids, -1);
  if (scratch.with_ends) scratch.ends.resize(ids.size());
}

}  // namespace lowland

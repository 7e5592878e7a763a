#include "models/tokenizers/bpe_model.h"

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

BpeModel::BpeModel(std::vector<std::string> pieces, const std::string& vocab_source, BpeOptions options)
    : pieces_(std::move(pieces)), options_(options) {
  const ByteAlphabet alphabet;
  id_of_.reserve(pieces_.size());
  for (size_t id = 0; id < pieces_.size(); ++id) {
    if (pieces_[id].empty()) continue;
    const bool fresh = id_of_.emplace(pieces_[id], static_cast<int32_t>(id)).second;
    LL_CHECK(fresh, "{}: the piece '{}' has two ids", vocab_source, pieces_[id]);
    if (!options_.ignore_merges || !options_.byte_level) continue;
    if (auto bytes = alphabet.bytes_of(pieces_[id])) id_of_bytes_.emplace(std::move(*bytes), static_cast<int32_t>(id));
  }
  fallback_id_.fill(-1);
  for (unsigned b = 0; b < 256; ++b) {
    byte_id_[b] = id_of(options_.byte_level ? std::string_view(alphabet.character(static_cast<uint8_t>(b)))
                                            : std::string(1, static_cast<char>(b)));
    LL_CHECK(byte_id_[b] >= 0 || !options_.byte_level, "{}: the vocabulary lacks byte {:#04x}, written '{}'",
             vocab_source, b, alphabet.character(static_cast<uint8_t>(b)));
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
    merges_.put(l, r, {static_cast<uint32_t>(rank), known(left + right, "the result")});
  }
}

void BpeModel::set_scores(const std::vector<float>& scores, const std::vector<bool>& usable) {
  std::vector<int32_t> order;
  for (size_t id = 0; id < pieces_.size(); ++id) {
    if (usable[id] && pieces_[id].size() > 1) order.push_back(static_cast<int32_t>(id));
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
    const std::string_view piece = pieces_[order[i]];
    for (size_t cut = 1; cut < piece.size(); ++cut) {
      if ((static_cast<unsigned char>(piece[cut]) & 0xC0) == 0x80) continue;  // inside a character
      const int32_t left = id_of(piece.substr(0, cut)), right = id_of(piece.substr(cut));
      if (left >= 0 && right >= 0 && usable[left] && usable[right]) found.push_back({left, right, {rank, order[i]}});
    }
  }
  merges_ = MergeTable(found.size());
  for (const Found& f : found) merges_.put(f.left, f.right, f.merge);
}

int BpeModel::byte_of(int32_t id) const {
  if (!options_.byte_fallback) return -1;
  const auto at = std::find(fallback_id_.begin(), fallback_id_.end(), id);
  return at == fallback_id_.end() ? -1 : static_cast<int>(at - fallback_id_.begin());
}

int32_t BpeModel::id_of(std::string_view piece) const {
  const auto it = id_of_.find(piece);
  return it == id_of_.end() ? -1 : it->second;
}

std::span<const int32_t> BpeModel::encode(std::string_view word, Scratch& scratch) const {
  auto& ids = scratch.ids;
  ids.clear();
  if (options_.ignore_merges) {
    int32_t whole = -1;
    if (options_.byte_level) {
      if (const auto it = id_of_bytes_.find(std::string(word)); it != id_of_bytes_.end()) whole = it->second;
    } else {
      whole = id_of(word);
    }
    if (whole >= 0) {
      ids.push_back(whole);
      return ids;
    }
  }
  if (options_.byte_level)
    start_from_bytes(word, ids);
  else
    start_from_characters(word, ids);
  if (ids.size() < kLongWord)
    merge_short(scratch);
  else
    merge_long(scratch);
  return ids;
}

void BpeModel::start_from_bytes(std::string_view word, std::vector<int32_t>& ids) const {
  ids.resize(word.size());
  for (size_t i = 0; i < word.size(); ++i) ids[i] = byte_id_[static_cast<unsigned char>(word[i])];
}

void BpeModel::start_from_characters(std::string_view word, std::vector<int32_t>& ids) const {
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  bool unknown_before = false;
  for (size_t at = 0, length; at < word.size(); at += length) {
    // At most four bytes: where the text is not UTF-8 (llama2.c's reader takes any bytes) a run is cut there.
    for (length = 1; at + length < word.size() && length < 4 && continues(word[at + length]);) ++length;
    const std::string_view character = word.substr(at, length);
    const int32_t id = length == 1 ? byte_id_[static_cast<unsigned char>(character[0])] : id_of(character);
    const auto has_piece = [this](char c) { return fallback_id_[static_cast<unsigned char>(c)] >= 0; };
    if (id >= 0) {
      ids.push_back(id);
      unknown_before = false;
    } else if (std::all_of(character.begin(), character.end(), has_piece)) {
      for (const char c : character) ids.push_back(fallback_id_[static_cast<unsigned char>(c)]);
      unknown_before = false;
    } else if (options_.unk >= 0) {
      if (!unknown_before || !options_.fuse_unk) ids.push_back(options_.unk);
      unknown_before = true;
    }
  }
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
    next[left] = next[right];
    if (next[left] >= 0) previous[next[left]] = static_cast<int32_t>(left);
    if (previous[left] >= 0) push(previous[left]);
    if (next[left] >= 0) push(static_cast<int32_t>(left));
  }
  std::erase(ids, -1);
}

}  // namespace lowland

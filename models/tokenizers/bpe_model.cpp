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

BpeModel::BpeModel(std::vector<std::string> pieces,
                   const std::vector<std::pair<std::string, std::string>>& merges,
                   const std::string& vocab_source, const std::string& merges_source, int merges_first_line,
                   bool ignore_merges)
    : pieces_(std::move(pieces)), merges_(merges.size()), ignore_merges_(ignore_merges) {
  const ByteAlphabet alphabet;
  for (size_t id = 0; id < pieces_.size(); ++id) {
    if (pieces_[id].empty()) continue;
    const bool fresh = id_of_.emplace(pieces_[id], static_cast<int32_t>(id)).second;
    LL_CHECK(fresh, "{}: the piece '{}' has two ids", vocab_source, pieces_[id]);
    if (!ignore_merges_) continue;
    if (auto bytes = alphabet.bytes_of(pieces_[id]))
      id_of_bytes_.emplace(std::move(*bytes), static_cast<int32_t>(id));
  }
  for (unsigned b = 0; b < 256; ++b) {
    byte_id_[b] = id_of(alphabet.character(static_cast<uint8_t>(b)));
    LL_CHECK(byte_id_[b] >= 0, "{}: the vocabulary lacks byte {:#04x}, written '{}'", vocab_source, b,
             alphabet.character(static_cast<uint8_t>(b)));
  }
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string &left = merges[rank].first, &right = merges[rank].second;
    const auto known = [&](const std::string& piece, const char* role) {
      const int32_t id = id_of(piece);
      if (id >= 0) return id;
      const std::string where =
          merges_first_line < 0
              ? fmt::format("{}: merge {}", merges_source, rank)
              : fmt::format("{}:{}", merges_source, static_cast<size_t>(merges_first_line) + rank);
      fail("{}: {} '{}' of the merge '{} {}' is not in the vocabulary ({})", where, role, piece, left, right,
           vocab_source);
    };
    const int32_t l = known(left, "the left half"), r = known(right, "the right half");
    merges_.put(l, r, {static_cast<uint32_t>(rank), known(left + right, "the result")});
  }
}

int32_t BpeModel::id_of(std::string_view piece) const {
  const auto it = id_of_.find(piece);
  return it == id_of_.end() ? -1 : it->second;
}

std::span<const int32_t> BpeModel::encode(std::string_view word, Scratch& scratch) const {
  auto& ids = scratch.ids;
  if (ignore_merges_) {
    if (const auto it = id_of_bytes_.find(std::string(word)); it != id_of_bytes_.end()) {
      ids.assign(1, it->second);
      return ids;
    }
  }
  ids.resize(word.size());
  for (size_t i = 0; i < word.size(); ++i) ids[i] = byte_id_[static_cast<unsigned char>(word[i])];
  if (word.size() < kLongWord) merge_short(scratch);
  else merge_long(scratch);
  return ids;
}

void BpeModel::merge_short(Scratch& scratch) const {
  auto &ids = scratch.ids, &made = scratch.made;
  auto& ranks = scratch.ranks;
  size_t n = ids.size();
  ranks.resize(n);
  made.resize(n);
  const auto look_up = [&](size_t i) {
    const auto merge = merges_.find(ids[i], ids[i + 1]);
    ranks[i] = merge.rank;
    made[i] = merge.id;
  };
  for (size_t i = 0; i + 1 < n; ++i) look_up(i);
  while (n > 1) {
    const auto best = std::min_element(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(n - 1));
    if (*best == MergeTable::kNoRank) break;
    const auto at = best - ranks.begin();
    ids[static_cast<size_t>(at)] = made[static_cast<size_t>(at)];
    const auto end = static_cast<std::ptrdiff_t>(n);
    std::copy(ids.begin() + at + 2, ids.begin() + end, ids.begin() + at + 1);
    std::copy(ranks.begin() + at + 1, ranks.begin() + end, ranks.begin() + at);
    std::copy(made.begin() + at + 1, made.begin() + end, made.begin() + at);
    --n;
    if (at > 0) look_up(static_cast<size_t>(at) - 1);
    if (static_cast<size_t>(at) + 1 < n) look_up(static_cast<size_t>(at));
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
    const int32_t right = next[static_cast<size_t>(left)];
    const auto merge = merges_.find(ids[static_cast<size_t>(left)], ids[static_cast<size_t>(right)]);
    if (merge.rank == MergeTable::kNoRank) return;
    heap.emplace_back(heap_key(merge.rank, static_cast<size_t>(left)), merge.id);
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
    const auto left = static_cast<size_t>(key & UINT32_MAX);
    if (ids[left] < 0 || next[left] < 0) continue;  // merged away since, or last by now
    const auto right = static_cast<size_t>(next[left]);
    if (merges_.find(ids[left], ids[right]).id != id) continue;  // one of the two has changed since
    ids[left] = id;
    ids[right] = -1;
    next[left] = next[right];
    if (next[left] >= 0) previous[static_cast<size_t>(next[left])] = static_cast<int32_t>(left);
    if (previous[left] >= 0) push(previous[left]);
    if (next[left] >= 0) push(static_cast<int32_t>(left));
  }
  std::erase(ids, -1);
}

}  // namespace lowland

// FreeList: offsets in a range of bytes, the lowest free place that fits. Equal sequences of take and give_back give
// equal offsets, and blocks that are given back in the reverse order of their birth find their places again.
#pragma once
#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <unordered_map>

namespace lowland {

class FreeList {
 public:
  static constexpr size_t kNone = ~size_t{0};
  explicit FreeList(size_t capacity = 0) { reset(capacity); }
  void reset(size_t capacity) {
    free_.clear();
    used_.clear();
    if (capacity > 0) free_[0] = capacity;
    highest_ = 0;
  }

  // kNone if nothing fits. REQUIRES size > 0
  size_t take(size_t size) {
    const auto it = std::find_if(free_.begin(), free_.end(), [&](const auto& f) { return f.second >= size; });
    if (it == free_.end()) return kNone;
    const size_t offset = it->first, room = it->second;
    free_.erase(it);
    if (room > size) free_[offset + size] = room - size;
    used_[offset] = size;
    highest_ = std::max(highest_, offset + size);
    return offset;
  }

  // Returns the size of the block at `offset`.
  size_t give_back(size_t offset) {
    const auto used = used_.find(offset);
    const size_t taken = used->second;
    size_t begin = offset, size = taken;
    used_.erase(used);
    auto next = free_.lower_bound(begin);
    if (next != free_.end() && next->first == begin + size) {
      size += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == begin) {
        begin = before->first;
        size += before->second;
      }
    }
    free_[begin] = size;
    return taken;
  }

  size_t highest() const { return highest_; }  // the end of the highest block ever taken
  bool empty() const { return used_.empty(); }

 private:
  std::map<size_t, size_t> free_;            // offset -> size, neighbours always merged
  std::unordered_map<size_t, size_t> used_;  // offset -> size
  size_t highest_ = 0;
};

}  // namespace lowland

// Ids of words already met. Most words of a text are a few thousand common ones: a look-up of 32 bytes
// replaces their merges. Fixed memory (2 MB, about the size of an L2 cache), never grows, forgets the older
// of two words in a bucket.
#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace lowland {

class WordCache {
 public:
  static constexpr size_t kMaxBytes = 15, kMaxIds = 4;

  // The bytes of a word and, in the last byte, its length. A key of zeros is no word.
  struct Key {
    uint64_t low, high;
    bool operator==(const Key&) const = default;
  };
  struct Entry {
    Key key;
    int32_t ids[kMaxIds];  // -1 after the last
  };

  explicit WordCache(size_t bits = 15) : entries_(size_t{2} << bits), shift_(64 - static_cast<int>(bits)) {}

  // readable: bytes that may be read from word.data() on, at least word.size().
  static Key key_of(std::string_view word, size_t readable) {
    uint64_t parts[2] = {0, 0};
    const size_t n = word.size();
    if (readable >= 16) {
      std::memcpy(parts, word.data(), 16);
      if (n < 8) parts[0] &= (uint64_t{1} << (8 * n)) - 1;
      parts[1] = n <= 8 ? 0 : parts[1] & ((uint64_t{1} << (8 * (n - 8))) - 1);
    } else {
      std::memcpy(parts, word.data(), n);
    }
    return {parts[0], parts[1] | static_cast<uint64_t>(n) << 56};
  }

  const Entry* find(const Key& key) const {
    const Entry* bucket = &entries_[bucket_of(key)];
    if (bucket[0].key == key) return bucket;
    return bucket[1].key == key ? bucket + 1 : nullptr;
  }

  void put(const Key& key, const int32_t* ids, size_t count) {
    Entry* bucket = &entries_[bucket_of(key)];
    bucket[1] = bucket[0];
    bucket[0].key = key;
    for (size_t i = 0; i < kMaxIds; ++i) bucket[0].ids[i] = i < count ? ids[i] : -1;
  }

 private:
  size_t bucket_of(const Key& key) const {
    const uint64_t h = (key.low ^ (key.high * 0xFF51AFD7ED558CCDull)) * 0x9E3779B97F4A7C15ull;
    return static_cast<size_t>((h ^ (h << 29)) >> shift_) * 2;
  }

  std::vector<Entry> entries_;
  int shift_;
};

}  // namespace lowland

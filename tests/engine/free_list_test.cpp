#include "engine/device/free_list.h"

#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "kernels/common/philox.h"

using namespace lowland;

TEST_CASE("free list: the lowest place that fits, and neighbours that join, whatever the order of giving back") {
  FreeList list(100);
  const std::vector<size_t> at{list.take(10), list.take(20), list.take(30), list.take(40)};
  CHECK(at == std::vector<size_t>{0, 10, 30, 60});
  CHECK(list.take(1) == FreeList::kNone);
  CHECK(list.give_back(10) == 20);
  CHECK(list.give_back(60) == 40);
  CHECK(list.take(25) == 60);  // 20 are free before it: too few
  CHECK(list.take(15) == 10);
  list.give_back(10);
  CHECK(list.give_back(30) == 30);  // joins the place before it
  CHECK(list.take(50) == 10);
  list.give_back(60);
  list.give_back(0);
  CHECK(list.give_back(10) == 50);  // joins both sides
  CHECK(list.empty());
  CHECK(list.take(100) == 0);
}

TEST_CASE("free list: the end of the highest block ever taken, until it is reset") {
  FreeList list(100);
  list.take(30);
  list.give_back(list.take(50));
  CHECK(list.highest() == 80);
  CHECK(list.take(10) == 30);
  CHECK(list.highest() == 80);
  list.reset(50);
  CHECK(list.highest() == 0);
  CHECK(list.empty());
  CHECK(list.take(60) == FreeList::kNone);
  FreeList nothing;
  CHECK(nothing.take(1) == FreeList::kNone);
}

TEST_CASE("free list: blocks never overlap, and in the end everything is one place again") {
  FreeList list(1 << 16);
  std::map<size_t, size_t> held;  // offset -> size
  for (uint64_t i = 0; i < 2000; ++i) {
    const uint64_t r = mix64(i);
    if (r % 3 != 0 || held.empty()) {
      const size_t size = 1 + r / 8 % 700, offset = list.take(size);
      if (offset == FreeList::kNone) continue;
      const auto next = held.lower_bound(offset);
      if (next != held.end() && next->first < offset + size) FAIL("overlaps the block behind it");
      if (next != held.begin() && std::prev(next)->first + std::prev(next)->second > offset)
        FAIL("overlaps the block before it");
      held[offset] = size;
    } else {
      auto it = held.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(r / 8 % held.size()));
      CHECK(list.give_back(it->first) == it->second);
      held.erase(it);
    }
  }
  for (const auto& [offset, size] : held) list.give_back(offset);
  CHECK(list.empty());
  CHECK(list.take(1 << 16) == 0);
}

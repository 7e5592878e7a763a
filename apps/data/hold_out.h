// A share of the training records for development, where no file is given for that.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "apps/data/order.h"
#include "engine/error.h"

namespace lowland {

// Moves groups of records, drawn by the seed, to the result until it has the share; both stay in order. At least one
// group is moved and one is left, unless fraction is 0 or there is one group only. group_of(record): a text; records of
// equal text belong together; the empty text is a group of its own each time.
template <class Record, class GroupOf>
std::vector<Record> hold_out(std::vector<Record>& records, double fraction, uint64_t seed, GroupOf&& group_of) {
  LL_CHECK(fraction >= 0 && fraction < 1, "--dev-fraction must be in [0, 1), got {}", fraction);
  std::map<std::string, size_t> known;
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < records.size(); ++i) {
    const std::string name = group_of(records[i]);
    const auto at = name.empty() ? known.end() : known.find(name);
    if (at != known.end()) {
      groups[at->second].push_back(i);
      continue;
    }
    if (!name.empty()) known.emplace(name, groups.size());
    groups.push_back({i});
  }
  const auto share = std::max<int64_t>(1, std::llround(fraction * static_cast<double>(records.size())));
  const auto most = fraction == 0 ? 0 : static_cast<int64_t>(groups.size()) - 1;
  std::vector<bool> out(records.size(), false);
  int64_t taken = 0, moved = 0;
  for (const int64_t g : shuffled(static_cast<int64_t>(groups.size()), seed, 0, OrderStream::carve)) {
    if (taken >= share || moved >= most) break;
    for (const size_t i : groups[static_cast<size_t>(g)]) out[i] = true;
    taken += static_cast<int64_t>(groups[static_cast<size_t>(g)].size());
    ++moved;
  }
  std::vector<Record> held, kept;
  for (size_t i = 0; i < records.size(); ++i) (out[i] ? held : kept).push_back(std::move(records[i]));
  records = std::move(kept);
  return held;
}

template <class Record> std::vector<Record> hold_out(std::vector<Record>& records, double fraction, uint64_t seed) {
  return hold_out(records, fraction, seed, [](const Record&) { return std::string(); });
}

}  // namespace lowland

// A share of the training records for development, where no file is given for that; and the first so many.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/error.h"

namespace lowland {

// Which records go to dev, drawn by the seed: per label, largest remainders, about fraction of all, at least one. A
// label with a single record stays in train, so there may be none. Error: fraction not inside (0, 1).
std::vector<bool> draw_by_label(std::span<const int> labels, double fraction, uint64_t seed);

// The same by groups: records of equal name belong together; the empty name is a group of its own each time. Groups are
// drawn until they have the share; at least one, and one is left, unless fraction is 0 or there is one group only.
// Error: fraction not in [0, 1).
std::vector<bool> draw_by_group(std::span<const std::string> groups, double fraction, uint64_t seed);

// Moves the marked records to the result; both stay in order.
template <class Record> std::vector<Record> move_marked(std::vector<Record>& records, const std::vector<bool>& marked) {
  std::vector<Record> moved, kept;
  for (size_t i = 0; i < records.size(); ++i) (marked[i] ? moved : kept).push_back(std::move(records[i]));
  records = std::move(kept);
  return moved;
}

// group_of(record): a text.
template <class Record, class GroupOf>
std::vector<Record> hold_out(std::vector<Record>& records, double fraction, uint64_t seed, GroupOf&& group_of) {
  std::vector<std::string> groups;
  for (const Record& record : records) groups.push_back(group_of(record));
  return move_marked(records, draw_by_group(groups, fraction, seed));
}

template <class Record> std::vector<Record> hold_out(std::vector<Record>& records, double fraction, uint64_t seed) {
  return hold_out(records, fraction, seed, [](const Record&) { return std::string(); });
}

// 0: all.
template <class Record> void keep_first(std::vector<Record>& records, int64_t most) {
  LL_CHECK(most >= 0, "--max-train-samples and --max-eval-samples must be at least 0, got {}", most);
  if (most > 0 && std::ssize(records) > most) records.erase(records.begin() + most, records.end());
}

}  // namespace lowland

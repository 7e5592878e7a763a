// Groups of an optimizer: the arena in contiguous ranges, each with its own share of the learning rate and its own
// weight decay. A launch carries the table by value: all members are as wide, so that no byte of it is left to chance
// (gcc 12's __builtin_clear_padding, by which launches are shown, misses what is behind an array of structs).
#pragma once
#include <cstdint>

namespace lowland {

inline constexpr int kMostGroups = 8;

struct OptimizerGroup {
  int64_t end = 0;       // where it ends; it begins where the one before it ends, the first at 0
  double lr_factor = 1;  // its learning rate is lr_factor times that of the step
  double weight_decay = 0;
};

struct OptimizerGroups {
  OptimizerGroup group[kMostGroups];
  int64_t count = 0;
  constexpr int64_t size() const { return count == 0 ? 0 : group[count - 1].end; }  // elements of all
};

static_assert(sizeof(OptimizerGroups) == kMostGroups * sizeof(OptimizerGroup) + sizeof(int64_t));

}  // namespace lowland

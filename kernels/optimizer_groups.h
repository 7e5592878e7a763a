// Groups of an optimizer: the arena in contiguous ranges, each with its own share of the learning rate and its own
// weight decay. A launch carries the table by value.
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
  int count = 0;
  constexpr int64_t size() const { return count == 0 ? 0 : group[count - 1].end; }  // elements of all
};

}  // namespace lowland

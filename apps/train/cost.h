// Cost: what a step takes a cluster at the least, before anything runs there: the arithmetic of the products with the
// weights, the bytes that its processes send each other, and what connects them. Attention, norms, the update and the
// latency of messages come on top.
#pragma once
#include <algorithm>
#include <string>

#include "apps/train/memory_plan.h"

namespace lowland::apps {

struct Cluster {
  int64_t world = 1;
  std::string interconnect = "nvlink";  // nvlink, pcie or 100g
  double tflops = 400;                  // that a process reaches in a step: about an H100's in bf16
  void check() const;                   // Error on a word that is none of these, on a number below 1
  // Bytes a second that a process sends while it gets as many: NVLink 350e9, PCIe 25e9, Ethernet of 100 Gbit 12.5e9.
  double rate() const;
};

// Of one process and the largest step.
struct StepCost {
  int64_t rows = 0;     // that go through the blocks
  double flops = 0;     // of the products, a multiplication and an addition are two
  double summed = 0;    // bytes it sends for the sums of gradients: 2 (n - 1) / n of them, by a ring
  double gathered = 0;  // bytes of blocks it gets from the others (--shard-base), forward and backward
  double compute_s = 0, sum_s = 0, gather_s = 0;
  // A block is gathered while the one before computes, and gradients are summed behind the last block.
  double step_s() const { return std::max(compute_s, gather_s) + sum_s; }
  double sum_share() const { return sum_s / step_s(); }
  // Of the time of the gathers, what the computation hides; 1 where nothing is gathered.
  double overlap() const { return gather_s > 0 ? std::min(1.0, compute_s / gather_s) : 1; }
  double scaling() const { return compute_s / step_s(); }  // of a process's speed alone, what is left
};

// plan: of the same run and settings.
StepCost step_cost(const PlannedRun& run, const BatchSettings& batch, const MemoryPlan& plan, const Cluster& cluster);
std::string cost_table(const StepCost& cost, const Cluster& cluster);

}  // namespace lowland::apps

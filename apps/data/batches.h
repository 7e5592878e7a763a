// The order of training: which examples make up each step and micro-batch of an epoch.
//   order     a shuffle of all n examples by (seed, epoch); with S = batch_size * grad_accum examples a step,
//             the last n mod S of the shuffle form the short last step
//   groups    the others are cut into mega-batches of 50 S, sorted by length inside, cut into steps;
//             the steps are shuffled
//   micro     a step is cut into micro-batches of batch_size, the last one may be short
// Nothing is padded, so grouping only balances the work. What a step holds depends on S alone: batches of 8
// accumulated 4 times train on the same steps as batches of 32. A pure function of (lengths, seed, epoch), so
// resuming needs (epoch, step) and nothing else. Every example comes exactly once per epoch.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

namespace lowland {

struct BatchOptions {
  int64_t batch_size = 32;
  int64_t grad_accum = 1;
  uint64_t seed = 42;
  bool group_by_length = true;
};

struct MicroBatch {
  int64_t step = 0;               // in the epoch, from 0
  bool last_of_step = false;      // the optimizer steps after it
  std::vector<int64_t> examples;  // indices
};

class BatchPlan {
 public:
  // lengths: tokens of each example. Error: no examples, a batch size or accumulation below 1.
  BatchPlan(std::vector<int32_t> lengths, const BatchOptions& options);
  int64_t steps_per_epoch() const;
  int64_t micro_batches_per_epoch() const;
  // All micro-batches of an epoch (from 0) in order.
  std::vector<MicroBatch> epoch(int64_t epoch) const;
  // The micro-batches of the step that has the largest one, among the first `steps` (of three epochs at most).
  // cut: how the examples of a step are cut; absent: as epoch() does. size: of a micro-batch; absent: its tokens.
  using Cut = std::function<std::vector<std::vector<int64_t>>(const std::vector<int64_t>& step)>;
  using Size = std::function<int64_t(const std::vector<int64_t>& micro_batch)>;
  std::vector<std::vector<int64_t>> largest_step(int64_t steps, const Cut& cut = {}, const Size& size = {}) const;
  // Batches in file order, for evaluation and prediction.
  static std::vector<std::vector<int64_t>> in_order(int64_t n, int64_t batch_size);

 private:
  std::vector<int64_t> order(int64_t epoch) const;

  std::vector<int32_t> lengths_;
  BatchOptions options_;
};

// The same by the number of a step in the run, from 0, micro-batches not told apart: for loops that cut their own.
class StepPlan {
 public:
  StepPlan(std::vector<int32_t> lengths, const BatchOptions& options) : plan_(std::move(lengths), options) {}
  int64_t steps_per_epoch() const { return plan_.steps_per_epoch(); }
  // Valid until the next call.
  const std::vector<int64_t>& examples(int64_t step);

 private:
  BatchPlan plan_;
  int64_t epoch_ = -1;
  std::vector<std::vector<int64_t>> steps_;  // of epoch_
};

}  // namespace lowland

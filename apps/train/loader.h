// Loader: the batches of a run, a function of the seed and the step only.
#pragma once
#include <vector>

#include "apps/train/objective.h"

namespace lowland::apps {

class Loader {
 public:
  // objective and model must outlive it; the model may get its memory later. Error without a training example.
  Loader(const Objective& objective, const nn::Model& model, const BatchSettings& batch, uint64_t seed);

  int64_t steps_per_epoch() const { return plan_.steps_per_epoch(); }
  // This process's micro-batches of a step (batch.rank), counted from 0 over the whole run. Those without a target are
  // left out.
  std::vector<PackedBatch> step(int64_t index);
  // The examples of a step, of all processes. Valid until the next call.
  const std::vector<int64_t>& examples(int64_t index) { return plan_.examples(index); }
  // The first `count` examples of a split in file order: what sharpness is measured on.
  std::vector<PackedBatch> first(DataSplit split, int64_t count) const;
  // The step of the run that needs the most memory, packed, as all processes cut it.
  std::vector<PackedBatch> largest_step(int64_t total_steps) const;

 private:
  BatchOptions options() const;
  // The micro-batches of a process's part of a step.
  std::vector<std::vector<int64_t>> cut(const std::vector<int64_t>& step, const StepPart& part) const;

  const Objective& objective_;
  const nn::Model& model_;
  BatchSettings batch_;
  uint64_t seed_;
  StepPlan plan_;
};

}  // namespace lowland::apps

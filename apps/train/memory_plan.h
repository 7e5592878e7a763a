// What a training step holds at its peak, by part, before any memory is taken: the largest step of the run is made on
// the meta device (engine/device/meta_device.h). Only the scratch memory of CPU kernels is worked out instead.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "apps/train/objective.h"

namespace lowland::apps {

struct MemoryPlan {
  size_t weights = 0;  // frozen
  size_t trained = 0;  // adapters and what else is trained, in the types the forward reads
  size_t gradients = 0;
  size_t optimizer = 0;         // moments, and the perturbation of the methods that have one
  size_t activations = 0;       // what the forward pass leaves for the backward
  size_t passing = 0;           // the rest at the peak: logits of a chunk, gradients of activations, a block made again
  size_t scratch = 0;           // of the CPU's kernels
  size_t waiting = 0;           // Objective::waiting_bytes
  int64_t rows = 0;             // of the largest micro-batch
  int64_t selected = 0;         // rows of it that the head reads
  int64_t longest = 0;          // its longest segment
  int64_t longest_segment = 0;  // of all micro-batches
  size_t gathered = 0;          // --shard-base: bytes of the blocks that are divided, whole
  int64_t step_rows = 0, step_selected = 0;  // of all its step's micro-batches that are this process's
  int64_t step_batches = 0;                  // and their number

  size_t peak() const { return weights + trained + gradients + optimizer + activations + passing + scratch + waiting; }
};

// A run as far as its memory depends on it.
struct PlannedRun {
  std::function<std::unique_ptr<nn::Model>()> new_model;  // what is trained is chosen; without memory
  const Objective& objective;
  const MethodSettings& how;
  const TrainingSettings& training;
  const SystemSettings& system;
  double lora_dropout = 0;
  bool narrow_weights = false;  // the family has --weights-dtype
  bool token_budget = false;    // and --batch-tokens
};

// Before a model has memory: what a step's settings ask of it.
void prepare(nn::Model& model, const PlannedRun& run, const BatchSettings& batch, const Context& context);

// context: the real one, whose device and threads count. Chooses what --recompute auto leaves open, by what is free:
// batch.recompute is none or block afterwards.
MemoryPlan plan_memory(const PlannedRun& run, BatchSettings& batch, Context& context, size_t free_bytes);

// The table, one part a line. free_bytes: of the device.
std::string memory_table(const MemoryPlan& plan, size_t free_bytes);

// Its sum alone, in one line.
std::string memory_line(const MemoryPlan& plan, size_t free_bytes);

// plan_memory, but throws Error where a step does not fit, naming the flags that would make it fit.
MemoryPlan fit_memory(const PlannedRun& run, BatchSettings& batch, Context& context, size_t free_bytes);

// The same with what is free now. Logs the line; the table where it is asked for, or half of what is free is not
// enough.
MemoryPlan log_memory_plan(const PlannedRun& run, BatchSettings& batch, Context& context, bool verbose);

}  // namespace lowland::apps

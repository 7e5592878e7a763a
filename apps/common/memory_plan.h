// What a training step holds at its peak, by part, before any memory is taken: the largest step of the run is made on
// the meta device (engine/device/meta_device.h). Only the scratch memory of CPU kernels is worked out instead.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/common/settings.h"
#include "apps/common/step_passes.h"

namespace lowland::apps {

struct MemoryPlan {
  size_t weights = 0;  // frozen
  size_t trained = 0;  // adapters and what else is trained, in the types the forward reads
  size_t gradients = 0;
  size_t optimizer = 0;    // moments, and the perturbation of the methods that have one
  size_t activations = 0;  // what the forward pass leaves for the backward
  size_t passing = 0;      // the rest at the peak: logits of a chunk, gradients of activations, a block made again
  size_t scratch = 0;      // of the CPU's kernels
  size_t waiting = 0;      // features of pictures that --cache-features has not written yet
  int64_t rows = 0;        // of the largest micro-batch
  int64_t selected = 0;    // rows of it that the head reads
  int64_t longest = 0;     // its longest segment

  size_t peak() const { return weights + trained + gradients + optimizer + activations + passing + scratch + waiting; }
};

// A family's part.
struct PlannedModel {
  std::unique_ptr<nn::Model> model;  // complete but for its memory
  StepPasses::Loss loss;             // of that model
  // The step that has the largest micro-batch under the model's settings, packed in the model's context.
  std::function<std::vector<PackedBatch>()> largest_step;
};
struct PlanInput {
  std::function<PlannedModel(const Settings& settings)> make;
  int64_t head_dim = 0;         // of attention that goes backward, the largest
  size_t waiting = 0;           // as in MemoryPlan
  bool narrow_weights = false;  // --weights-dtype bf16 is there
  bool token_budget = false;    // --batch-tokens is there
};

// context: the real one, whose device and threads count. Chooses what --recompute auto leaves open, by what is free:
// settings.recompute is none or block afterwards.
MemoryPlan plan_memory(const PlanInput& input, Settings& settings, Context& context, size_t free_bytes);

// The table, one part a line. free_bytes: of the device.
std::string memory_table(const MemoryPlan& plan, size_t free_bytes);

// plan_memory, but throws Error where a step does not fit, naming the flags that would make it fit.
MemoryPlan fit_memory(const PlanInput& input, Settings& settings, Context& context, size_t free_bytes);

// The same with what is free now, and says the table.
MemoryPlan say_memory_plan(const PlanInput& input, Settings& settings, Context& context);

}  // namespace lowland::apps

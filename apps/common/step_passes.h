// StepPasses: the forward and backward passes of a training step over its micro-batches, the same for the training
// loop and for bench. On a GPU the micro-batches are packed into buckets of sizes, and each pass over a size is
// captured as a CUDA graph when it comes the second time (engine/graph.h); the step's number and the count of its
// targets are then read from device memory. Batches with pictures are launched kernel by kernel. With graphs or
// without, the numbers are the same.
#pragma once
#include <functional>
#include <vector>

#include "apps/common/workload.h"
#include "engine/graph.h"
#include "optim/method.h"

namespace lowland::apps {

class StepPasses {
 public:
  // scale * sum of the losses of the micro-batch.   -> (1)
  using Loss = std::function<Tensor(const PackedBatch& batch, const nn::Mode& mode, double scale)>;

  StepPasses(nn::Model& model, optim::Method& method, Loss loss, bool graphs);

  // All micro-batches of a step: gradients of the mean loss over its targets are in the arena, added to nothing. The
  // losses of the first pass are the step's.
  void run(const std::vector<PackedBatch>& batches, nn::Mode mode, bool first);

  const GraphCache& graphs() const { return graphs_; }

 private:
  void run_one(const PackedBatch& batch, const nn::Mode& mode, double scale, const Tensor& weight, bool first);

  nn::Model& model_;
  optim::Method& method_;
  Loss loss_;
  GraphCache graphs_;
  Tensor weight_;  // (1) on a device: 1 / targets of the step
};

}  // namespace lowland::apps

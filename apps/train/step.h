// TrainingStep: one step of training. The loop, the benchmark and the plan of the memory take the same one:
//
//   gradients of the mean loss over the step's targets, at the method's point        forward, backward
//   their sum over the processes that share the step, if there are several            comm
//   where the method asks for a second pass: its perturbation, and gradients there    ascend
//   clipping, the optimizer, the method's own update                                  optimizer
//
// On a GPU the micro-batches are packed into buckets of sizes, and each pass over a size is captured as a CUDA graph
// when it comes the second time (engine/graph.h); the step's number and the count of its targets are then read from
// device memory. Batches with pictures are launched kernel by kernel. With graphs or without, the numbers are the same.
#pragma once
#include <functional>
#include <vector>

#include "apps/train/batch.h"
#include "engine/dist/communicator.h"
#include "engine/graph.h"
#include "nn/model.h"
#include "optim/method.h"

namespace lowland::apps {

class TrainingStep {
 public:
  // scale * sum of the losses of the micro-batch.   -> (1)
  using Loss = std::function<Tensor(const PackedBatch& batch, const nn::Mode& mode, double scale)>;

  // What the host decides about a step.
  struct Numbers {
    int64_t index = 0;  // from 0
    double lr = 0, rho = 0;
    uint64_t seed = 0;
    bool new_window = false;  // the sum of the losses starts again
    double weight = 0;        // of all processes' batches together (weight_of); 0: of these
    int64_t passes = 0;       // the most batches that a process has: where a base is divided all make as many passes
  };

  TrainingStep(nn::Model& model, optim::Method& method, Loss loss, bool graphs);

  // The processes among which a step's examples are dealt: gradients and losses are summed after each pass, and
  // everything else is computed in each of them. local_ascent: a perturbation is made from this process's own gradient.
  void share(dist::Communicator& ranks, bool local_ascent) {
    ranks_ = &ranks;
    local_ascent_ = local_ascent;
  }

  // batches: this process's, maybe none.
  void run(const std::vector<PackedBatch>& batches, const Numbers& numbers);

  const GraphCache& graphs() const { return graphs_; }

 private:
  // All micro-batches: gradients in the arena, added to nothing. The losses of the first pass are the step's.
  void pass(const std::vector<PackedBatch>& batches, nn::Mode mode, double scale, bool first);
  void compute(const std::vector<PackedBatch>& batches, nn::Mode mode, double scale, bool first);
  void sum_losses() const;
  void sum_gradients() const;
  void pass_one(const PackedBatch& batch, const nn::Mode& mode, double scale, const Tensor& weight, bool first);

  nn::Model& model_;
  optim::Method& method_;
  Loss loss_;
  GraphCache graphs_;
  Tensor weight_;          // (1) on a device: 1 / targets of the step
  Tensor side_gradients_;  // of pairs beside the adapters' own that learn as well; absent without
  dist::Communicator* ranks_ = nullptr;
  bool local_ascent_ = false;
  int64_t passes_ = 0;
};

}  // namespace lowland::apps

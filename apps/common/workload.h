// Workload: what the training loop does not know: which examples make a step, their loss, and how to evaluate.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/vlm/vlm.h"

namespace lowland::apps {

// One forward and backward pass's worth of packed examples.
struct PackedBatch {
  nn::Rows rows;
  PlacedImages images;            // of a vision-language model
  Tensor targets;                 // (K) i32 classes or tokens (-100: none), or (K) scores, f32 where the model is bf16
  int64_t target_count = 0;       // rows that carry loss
  std::vector<int64_t> examples;  // their numbers in the data, for messages
};

// The batch of packed segments and the targets of their selected rows; on a GPU in buckets of sizes, which a captured
// graph needs, with -100 for the targets of the rows that this adds.
PackedBatch pack_batch(Context& context, const std::vector<nn::Segment>& segments, std::vector<int32_t> targets);

struct Evaluation {
  nlohmann::ordered_json metrics;  // "eval_loss", "eval_accuracy", ...; null where undefined
  double score = 0;                // higher is better: the primary metric, or minus the loss
  std::string score_name;
  double score_value() const { return score_name == "loss" ? -score : score; }  // as it is told
};

class Workload {
 public:
  virtual ~Workload() = default;
  virtual int64_t steps_per_epoch() const = 0;
  // The micro-batches of a step (0-based), a function of the seed and the step only.
  virtual std::vector<PackedBatch> step(int64_t index) = 0;
  // scale * sum of the losses of the micro-batch.   -> (1)
  virtual Tensor loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const = 0;
  // At the centre, without dropout. Absent if there is nothing to evaluate on.
  virtual std::optional<Evaluation> evaluate() = 0;
  // Examples that sharpness is measured on: the first of the training set, in file order.
  virtual std::vector<PackedBatch> probe_batches() = 0;
};

}  // namespace lowland::apps

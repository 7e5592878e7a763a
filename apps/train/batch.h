// PackedBatch: one forward and backward pass's worth of packed examples.
#pragma once
#include <string>
#include <vector>

#include "models/vit/image_batch.h"

namespace lowland::apps {

struct PackedBatch {
  nn::Rows rows;
  PlacedImages images;            // of a model that reads pictures
  Tensor targets;                 // (K) i32 classes or tokens (-100: none), or (K) scores, f32 where the model is bf16
  int64_t target_count = 0;       // rows that carry loss
  double weight = 0;              // of these rows together, where they do not count alike; 0: target_count
  std::vector<int64_t> examples;  // their numbers in the data, for messages
};

// The batch of packed segments and the targets of their selected rows; on a GPU in buckets of sizes, which a captured
// graph needs, with -100 for the targets of the rows that this adds.
PackedBatch pack_batch(Context& context, const std::vector<nn::Segment>& segments, std::vector<int32_t> targets);

int64_t targets_of(const std::vector<PackedBatch>& batches);
// What a mean over all of them is divided by.
double weight_of(const std::vector<PackedBatch>& batches);

// Cuts a list of examples into micro-batches: of at most `tokens` tokens (at least one example each), or where that is
// 0 of `batch_size` examples. lengths: of all examples.
std::vector<std::vector<int64_t>> micro_batches(const std::vector<int32_t>& lengths, const std::vector<int64_t>& which,
                                                int64_t batch_size, int64_t tokens);
// The part [begin, end) of a step's examples that process `index` of `world` learns from: in their order, so that one
// after another they make the step, each with about as many tokens as the others. May be empty. lengths: of all
// examples.
struct StepPart {
  int64_t begin = 0, end = 0;
};
StepPart part_of(const std::vector<int32_t>& lengths, const std::vector<int64_t>& step, int index, int world);
// The numbers of the first `count` of `all` examples.
std::vector<int64_t> first_examples(int64_t all, int64_t count);

}  // namespace lowland::apps

#include "apps/train/loader.h"

namespace lowland::apps {

Loader::Loader(const Objective& objective, const nn::Model& model, const BatchSettings& batch, uint64_t seed)
    : objective_(objective),
      model_(model),
      batch_(batch),
      seed_(seed),
      plan_(objective.lengths(DataSplit::train), options()) {}

BatchOptions Loader::options() const {
  return {.batch_size = batch_.batch_size,
          .grad_accum = batch_.grad_accum,
          .seed = seed_,
          .group_by_length = objective_.groups_by_length()};
}

std::vector<PackedBatch> Loader::step(int64_t index) {
  const std::vector<int32_t>& lengths = objective_.lengths(DataSplit::train);
  Place place{.step = index, .epoch = index / steps_per_epoch(), .training = true};
  std::vector<PackedBatch> batches;
  for (const auto& which : micro_batches(lengths, plan_.examples(index), batch_.batch_size, batch_.batch_tokens)) {
    PackedBatch batch = objective_.pack(model_, DataSplit::train, which, place);
    place.first += static_cast<int64_t>(which.size());
    if (batch.target_count > 0) batches.push_back(std::move(batch));
  }
  return batches;
}

std::vector<PackedBatch> Loader::first(DataSplit split, int64_t count) const {
  const std::vector<int32_t>& lengths = objective_.lengths(split);
  const std::vector<int64_t> all = first_examples(static_cast<int64_t>(lengths.size()), count);
  std::vector<PackedBatch> batches;
  for (const auto& which : micro_batches(lengths, all, batch_.batch_size, batch_.batch_tokens))
    batches.push_back(objective_.pack(model_, split, which, {}));
  return batches;
}

std::vector<PackedBatch> Loader::largest_step(int64_t total_steps) const {
  const std::vector<int32_t>& lengths = objective_.lengths(DataSplit::train);
  const BatchPlan plan(lengths, options());
  const auto cut = [&](const std::vector<int64_t>& step) {
    return micro_batches(lengths, step, batch_.batch_size, batch_.batch_tokens);
  };
  std::vector<PackedBatch> batches;
  for (const BatchPlan::Size& size : objective_.measures(model_)) {
    batches.clear();
    for (const auto& which : plan.largest_step(total_steps, cut, size))
      batches.push_back(objective_.pack(model_, DataSplit::train, which, {.training = true}));
  }
  std::erase_if(batches, [](const PackedBatch& b) { return b.target_count == 0; });
  return batches;
}

}  // namespace lowland::apps

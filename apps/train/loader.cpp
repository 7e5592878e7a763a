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

std::vector<std::vector<int64_t>> Loader::cut(const std::vector<int64_t>& step, const StepPart& part) const {
  return micro_batches(objective_.lengths(DataSplit::train), {step.begin() + part.begin, step.begin() + part.end},
                       batch_.batch_size, batch_.batch_tokens);
}

std::vector<PackedBatch> Loader::step(int64_t index) {
  const std::vector<int64_t>& all = plan_.examples(index);
  const StepPart part = part_of(objective_.lengths(DataSplit::train), all, batch_.rank.index, batch_.rank.world);
  // Draws are keyed by an example's number in the whole step: they do not depend on whose it is.
  Place place{.step = index, .epoch = index / steps_per_epoch(), .first = part.begin, .training = true};
  std::vector<PackedBatch> batches;
  for (const auto& which : cut(all, part)) {
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
  const auto cut_all = [&](const std::vector<int64_t>& step) {
    std::vector<std::vector<int64_t>> all;
    for (int r = 0; r < batch_.rank.world; ++r)
      for (auto& which : cut(step, part_of(lengths, step, r, batch_.rank.world))) all.push_back(std::move(which));
    return all;
  };
  std::vector<PackedBatch> batches;
  for (const BatchPlan::Size& size : objective_.measures(model_)) {
    batches.clear();
    for (const auto& which : plan.largest_step(total_steps, cut_all, size))
      batches.push_back(objective_.pack(model_, DataSplit::train, which, {.training = true}));
  }
  std::erase_if(batches, [](const PackedBatch& b) { return b.target_count == 0; });
  return batches;
}

}  // namespace lowland::apps

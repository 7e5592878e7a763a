// Answering questions about images: the training workload, and the loss on a split.
#pragma once
#include <vector>

#include "apps/common/memory_plan.h"
#include "apps/common/workload.h"
#include "apps/data/batches.h"
#include "apps/vlm/examples.h"

namespace lowland::apps {

class VlmWorkload final : public Workload {
 public:
  // dev may hold no example: then nothing is evaluated. The model may get its memory later.
  VlmWorkload(const Vlm& model, const Pictures& pictures, VlmSplit train, VlmSplit dev, const Settings& settings);

  int64_t steps_per_epoch() const override { return plan_.steps_per_epoch(); }
  std::vector<PackedBatch> step(int64_t index) override;
  Tensor loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const override;
  std::optional<Evaluation> evaluate() override;
  std::vector<PackedBatch> probe_batches() override { return batches_of(train_, 256); }
  // Batches over the first `count` examples, in file order.
  std::vector<PackedBatch> batches_of(const VlmSplit& split, int64_t count) const;
  // For memory_plan.h. make: the model of such settings, without memory. dtype: what it computes in.
  PlanInput plan_input(const std::function<std::unique_ptr<Vlm>(const Settings&)>& make, DType dtype) const;
  const VlmSplit& train() const { return train_; }
  const VlmSplit& dev() const { return dev_; }

 private:
  std::vector<PackedBatch> largest_step(const Vlm& model, const Settings& settings, bool cached) const;
  int64_t pictures_in(const std::vector<int64_t>& which, bool distinct) const;

  const Vlm& model_;
  const Pictures& pictures_;
  const Settings& settings_;
  VlmSplit train_, dev_;
  StepPlan plan_;
};

// Packs examples and their pictures. Features of a frozen tower are computed here, once for all passes over the batch.
// `first`: number of the first example in the step, which random draws depend on.
PackedBatch pack_questions(const Vlm& model, const Pictures& pictures, const VlmSplit& split,
                           const std::vector<int64_t>& which, int64_t first);

// The pictures' part of a batch of segments with those pictures.
PlacedImages place_pictures(const Vlm& model, const Pictures& pictures, const std::vector<nn::Segment>& segments,
                            const std::vector<std::vector<int32_t>>& which);

// eval_loss, per target token.
Evaluation evaluate_questions(const Vlm& model, const Pictures& pictures, const VlmSplit& split,
                              const Settings& settings);

}  // namespace lowland::apps

// Pictures by class: the workload that trains a vision tower on them.
#pragma once
#include <string>
#include <vector>

#include "apps/common/memory_plan.h"
#include "apps/data/batches.h"
#include "apps/data/picture_classes.h"
#include "apps/vlm/augment.h"
#include "apps/vlm/pictures.h"
#include "models/vit/vit.h"

namespace lowland::apps {

class ClassWorkload final : public Workload {
 public:
  // The dev split may be empty: then nothing is evaluated. The model may get its memory later.
  ClassWorkload(const Vit& model, const ImageSettings& images, const PictureClasses& data, const Settings& settings,
                int threads);

  int64_t steps_per_epoch() const override { return plan_.steps_per_epoch(); }
  std::vector<PackedBatch> step(int64_t index) override;
  Tensor loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const override;
  std::optional<Evaluation> evaluate() override;
  std::vector<PackedBatch> probe_batches() override;
  // For memory_plan.h. make: the model of such settings, without memory.
  PlanInput plan_input(const std::function<std::unique_ptr<Vit>(const Settings&)>& make) const;

 private:
  struct Split {
    std::vector<int32_t> pictures, labels;
  };
  Split split_of(const std::vector<LabelledPicture>& all);
  PackedBatch pack(const Split& split, const std::vector<int64_t>& which, int64_t first,
                   const Pictures::Change& change = {}) const;
  std::vector<PackedBatch> largest_step(const Vit& model, const Settings& settings) const;

  const Vit& model_;
  const Settings& settings_;
  Augment augment_;
  Pictures pictures_;
  Split train_, dev_;
  StepPlan plan_;
};

}  // namespace lowland::apps

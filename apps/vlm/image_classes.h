// Pictures by class: the workload that trains a vision tower on them.
#pragma once
#include <string>
#include <vector>

#include "apps/common/settings.h"
#include "apps/common/workload.h"
#include "apps/data/batches.h"
#include "apps/data/picture_classes.h"
#include "apps/vlm/augment.h"
#include "apps/vlm/pictures.h"
#include "models/vit/vit.h"

namespace lowland::apps {

class ClassWorkload final : public Workload {
 public:
  // The dev split may be empty: then nothing is evaluated.
  ClassWorkload(const Vit& model, const ImageSettings& images, const PictureClasses& data,
                const Settings& settings);

  int64_t steps_per_epoch() const override { return plan_.steps_per_epoch(); }
  std::vector<PackedBatch> step(int64_t index) override;
  Tensor loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const override;
  std::optional<Evaluation> evaluate() override;
  std::vector<PackedBatch> probe_batches() override;

 private:
  struct Split {
    std::vector<int32_t> pictures, labels;
  };
  Split split_of(const std::vector<LabelledPicture>& all);
  PackedBatch pack(const Split& split, const std::vector<int64_t>& which, int64_t first,
                   const Pictures::Change& change = {}) const;

  const Vit& model_;
  const Settings& settings_;
  Augment augment_;
  Pictures pictures_;
  Split train_, dev_;
  StepPlan plan_;
};

}  // namespace lowland::apps

// Pictures by class: what a vision tower is trained on from scratch.
#pragma once
#include <vector>

#include "apps/data/picture_classes.h"
#include "apps/objectives/augment.h"
#include "apps/objectives/pictures.h"
#include "apps/train/objective.h"
#include "models/vit/vit.h"

namespace lowland::apps {

class PictureClassification final : public Objective {
 public:
  // The dev split may be empty: then nothing is evaluated.
  PictureClassification(const PictureClasses& data, const ImageSettings& images, int threads, const Augment& augment,
                        double label_smoothing, uint64_t seed);

  const std::vector<int32_t>& lengths(DataSplit split) const override { return of(split).lengths; }
  PackedBatch pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                   const Place& place) const override;
  Tensor loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode, double scale) const override;
  Evaluation evaluate(const nn::Model& model, DataSplit split, const BatchSettings& batch) const override;
  bool groups_by_length() const override { return false; }
  int64_t head_dim(const nn::Model& model) const override;
  std::vector<std::string> score_names() const override { return {"accuracy", "loss"}; }
  std::vector<std::string> files() const { return pictures_.paths(); }

 private:
  struct Labelled {
    std::vector<int32_t> pictures, labels, lengths;  // lengths: 1 each, for pictures are all as large
  };
  Labelled take(const std::vector<LabelledPicture>& all, const std::vector<std::string>& classes);
  const Labelled& of(DataSplit split) const { return split == DataSplit::train ? train_ : dev_; }

  Augment augment_;
  Pictures pictures_;
  Labelled train_, dev_;
  double label_smoothing_;
  uint64_t seed_;
};

}  // namespace lowland::apps

// Answering questions about images: language modelling whose rows of pictures come from a vision tower.
#pragma once
#include "apps/objectives/question_maker.h"
#include "apps/train/objective.h"

namespace lowland::apps {

struct VlmData {
  VlmSplit train, dev, test;
  std::string metric;  // of QuestionSet
  VlmSplit& of(DataSplit split) { return split == DataSplit::train ? train : split == DataSplit::dev ? dev : test; }
  const VlmSplit& of(DataSplit split) const {
    return split == DataSplit::train ? train : split == DataSplit::dev ? dev : test;
  }
};

class Questions final : public Objective {
 public:
  Questions(VlmData data, const Pictures& pictures, double label_smoothing)
      : data_(std::move(data)), pictures_(pictures), label_smoothing_(label_smoothing) {}

  VlmSplit& split(DataSplit split) { return data_.of(split); }
  const VlmSplit& split(DataSplit split) const { return data_.of(split); }
  const std::string& metric() const { return data_.metric; }

  const std::vector<int32_t>& lengths(DataSplit split) const override { return this->split(split).text.lengths; }
  // Features of a frozen tower are computed here, once for all passes over the batch.
  PackedBatch pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                   const Place& place) const override;
  Tensor loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode, double scale) const override;
  // eval_loss, per target token, and eval_tokens.
  Evaluation evaluate(const nn::Model& model, DataSplit split, const BatchSettings& batch) const override;
  std::vector<BatchPlan::Size> measures(const nn::Model& model) const override;
  int64_t head_dim(const nn::Model& model) const override;
  size_t waiting_bytes(const nn::Model& model) const override;

 private:
  int64_t pictures_in(const std::vector<int64_t>& which, bool distinct) const;

  VlmData data_;
  const Pictures& pictures_;
  double label_smoothing_;
};

// Packs examples of a split and their pictures. `first`: number in the step of the first of them.
PackedBatch pack_questions(const Vlm& model, const Pictures& pictures, const VlmSplit& split,
                           const std::vector<int64_t>& which, int64_t first);

// The pictures' part of a batch of segments with those pictures.
PlacedImages place_pictures(const Vlm& model, const Pictures& pictures, const std::vector<nn::Segment>& segments,
                            const std::vector<std::vector<int32_t>>& which);

}  // namespace lowland::apps

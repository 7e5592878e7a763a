// Language modelling: each token but an example's first may be a target, as its example says.
#pragma once
#include "apps/objectives/language_examples.h"
#include "apps/train/objective.h"
#include "models/decoder/decoder.h"

namespace lowland::apps {

struct LanguageData {
  LanguageSplit train, dev, test;
  const LanguageSplit& of(DataSplit split) const {
    return split == DataSplit::train ? train : split == DataSplit::dev ? dev : test;
  }
};

class LanguageModelling final : public Objective {
 public:
  LanguageModelling(LanguageData data, double label_smoothing)
      : data_(std::move(data)), label_smoothing_(label_smoothing) {}

  const LanguageSplit& split(DataSplit split) const { return data_.of(split); }
  const std::vector<int32_t>& lengths(DataSplit split) const override { return data_.of(split).lengths; }
  PackedBatch pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                   const Place& place) const override;
  Tensor loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode, double scale) const override;
  // eval_loss and eval_perplexity, per target token, and eval_tokens.
  Evaluation evaluate(const nn::Model& model, DataSplit split, const BatchSettings& batch) const override;
  int64_t head_dim(const nn::Model& model) const override;

 private:
  LanguageData data_;
  double label_smoothing_;
};

}  // namespace lowland::apps

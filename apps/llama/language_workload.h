// Language modelling: the training workload over examples of ids and targets, and its evaluation.
#pragma once
#include <vector>

#include "apps/common/memory_plan.h"
#include "apps/common/settings.h"
#include "apps/common/workload.h"
#include "apps/data/batches.h"
#include "apps/llama/examples.h"
#include "models/llama/llama.h"

namespace lowland::apps {

class LanguageWorkload final : public Workload {
 public:
  // dev may hold no example: then nothing is evaluated. The model may get its memory later.
  LanguageWorkload(const Llama& model, LanguageSplit train, LanguageSplit dev, const Settings& settings);

  int64_t steps_per_epoch() const override { return plan_.steps_per_epoch(); }
  std::vector<PackedBatch> step(int64_t index) override;
  Tensor loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const override;
  std::optional<Evaluation> evaluate() override;
  std::vector<PackedBatch> probe_batches() override { return batches_of(train_, 256); }
  // Batches over the first `count` examples, in file order.
  std::vector<PackedBatch> batches_of(const LanguageSplit& split, int64_t count) const;
  // For memory_plan.h. make: the model of such settings, without memory.
  PlanInput plan_input(const std::function<std::unique_ptr<Llama>(const Settings&)>& make) const;
  const LanguageSplit& train() const { return train_; }
  const LanguageSplit& dev() const { return dev_; }

 private:
  std::vector<PackedBatch> largest_step(Context& context, const Settings& settings) const;

  const Llama& model_;
  const Settings& settings_;
  LanguageSplit train_, dev_;
  StepPlan plan_;
};

// Packs examples. `first`: number of the first one in the step, which random draws depend on.
PackedBatch pack_examples(Context& context, const LanguageSplit& split, const std::vector<int64_t>& which,
                          int64_t first);

// eval_loss and eval_perplexity, per target token.
Evaluation evaluate_language(const Llama& model, const LanguageSplit& split, const Settings& settings);

}  // namespace lowland::apps

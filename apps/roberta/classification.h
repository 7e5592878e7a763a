// Classification and regression with RoBERTa: tokenised examples, the training workload, predictions.
#pragma once
#include <string>
#include <vector>

#include "apps/common/memory_plan.h"
#include "apps/common/settings.h"
#include "apps/common/workload.h"
#include "apps/data/batches.h"
#include "apps/data/dataset.h"
#include "models/roberta/roberta.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland::apps {

struct TokenizedSplit {
  std::vector<std::vector<int32_t>> ids;  // <s> A </s>, or <s> A </s></s> B </s>
  int64_t truncated = 0;                  // examples longer than max_length
  std::vector<int32_t> lengths() const;
};

TokenizedSplit tokenize(const Tokenizer& tokenizer, const std::vector<Example>& examples, int64_t max_length);

// Longest sequence that both the settings and the model's positions allow.
// A line of the log where examples were cut.
void report_truncation(const std::string& split, const TokenizedSplit& tokens, int64_t max_length);

int64_t longest(const Settings& settings, const Roberta& model);

// The head's outputs, in f64 on the host: (examples, labels). Runs without dropout, in batches.
std::vector<std::vector<double>> predict_outputs(const Roberta& model, const TokenizedSplit& split, int64_t batch_size);

// eval_loss and the task's metrics, with a suffix ("_mm") on every name.
Evaluation evaluate_split(const Roberta& model, const TaskInfo& task, const Split& split, const TokenizedSplit& tokens,
                          int64_t batch_size, const std::string& suffix = "");

class ClassificationWorkload final : public Workload {
 public:
  // The dataset's labels are the model's, which may get its memory later. Says how many examples were cut.
  ClassificationWorkload(const Roberta& model, const Tokenizer& tokenizer, const TextDataset& data,
                         const Settings& settings);

  int64_t steps_per_epoch() const override { return plan_.steps_per_epoch(); }
  std::vector<PackedBatch> step(int64_t index) override;
  Tensor loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const override;
  std::optional<Evaluation> evaluate() override;
  std::vector<PackedBatch> probe_batches() override;
  // For memory_plan.h. make: the model of such settings, without memory.
  PlanInput plan_input(const std::function<std::unique_ptr<Roberta>(const Settings&)>& make) const;
  const TokenizedSplit& train() const { return train_; }
  // Batches over the first `count` examples of a split, in file order.
  std::vector<PackedBatch> batches_of(const std::string& split, int64_t count) const;

 private:
  PackedBatch pack(Context& context, const Split& split, const TokenizedSplit& tokens,
                   const std::vector<int64_t>& examples, int64_t first_in_step) const;
  std::vector<PackedBatch> largest_step(Context& context, const Settings& settings) const;
  Tensor loss_of(const Roberta& model, const PackedBatch& batch, double smoothing, const nn::Mode& mode,
                 double scale) const;

  const Roberta& model_;
  const TextDataset& data_;
  const Settings& settings_;
  TokenizedSplit train_, dev_, dev_mm_;
  BatchPlan plan_;
  int64_t epoch_ = -1;
  std::vector<std::vector<MicroBatch>> steps_;  // of epoch_
};

}  // namespace lowland::apps

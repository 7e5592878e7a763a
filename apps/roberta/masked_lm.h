// Masked language modelling: 15% of the tokens are chosen, anew in each epoch; of those 80% become <mask>, 10% a random
// token and 10% stay. Only the chosen rows reach the head. Devlin et al. 2018, arXiv:1810.04805; drawn anew: RoBERTa.
#pragma once
#include <string>
#include <vector>

#include "apps/common/memory_plan.h"
#include "apps/common/settings.h"
#include "apps/common/workload.h"
#include "apps/data/batches.h"
#include "models/roberta/roberta.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland::apps {

// Sequences <s> ... </s> of at most max_length tokens, which never cross a document. A document is a run of lines
// between blank lines, or one line with line_by_line. Throws Error on a file without text.
std::vector<std::vector<int32_t>> read_sequences(const Tokenizer& tokenizer, const std::vector<std::string>& files,
                                                 int64_t max_length, bool line_by_line);

class MaskedLmWorkload final : public Workload {
 public:
  // dev may be empty: then nothing is evaluated. The model may get its memory later.
  MaskedLmWorkload(const Roberta& model, const Tokenizer& tokenizer, std::vector<std::vector<int32_t>> train,
                   std::vector<std::vector<int32_t>> dev, const Settings& settings);

  int64_t steps_per_epoch() const override { return plan_.steps_per_epoch(); }
  std::vector<PackedBatch> step(int64_t index) override;
  Tensor loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const override;
  std::optional<Evaluation> evaluate() override;
  std::vector<PackedBatch> probe_batches() override { return {}; }
  // For memory_plan.h. make: the model of such settings, without memory.
  PlanInput plan_input(const std::function<std::unique_ptr<Roberta>(const Settings&)>& make) const;

 private:
  PackedBatch pack(Context& context, const std::vector<std::vector<int32_t>>& sequences,
                   const std::vector<int64_t>& which, int64_t first, uint64_t draw) const;
  std::vector<PackedBatch> largest_step(Context& context, const Settings& settings) const;
  void mask_tokens(nn::Segment& segment, int64_t sequence, PhiloxKey key, std::vector<int32_t>& targets) const;

  const Roberta& model_;
  const Settings& settings_;
  int32_t mask_id_, vocab_size_;
  std::vector<int32_t> special_ids_;
  std::vector<std::vector<int32_t>> train_, dev_;
  BatchPlan plan_;
  int64_t epoch_ = -1;
  std::vector<std::vector<MicroBatch>> steps_;
};

}  // namespace lowland::apps

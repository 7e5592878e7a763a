// Masked language modelling (Devlin et al. 2019, arXiv:1810.04805; Liu et al. 2019, arXiv:1907.11692): 15% of the
// tokens are targets; of these 80% read <mask>, 10% a random token, 10% themselves. Drawn anew each epoch; the dev
// set's masks are the same at every evaluation.
#pragma once
#include <string>
#include <vector>

#include "apps/train/objective.h"
#include "kernels/common/philox.h"
#include "models/roberta/roberta.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland::apps {

// Sequences <s> ... </s> of at most max_length tokens, which never cross a document. A document is a run of lines
// between blank lines, or one line with line_by_line. Throws Error on a file without text.
std::vector<std::vector<int32_t>> read_sequences(const Tokenizer& tokenizer, const std::vector<std::string>& files,
                                                 int64_t max_length, bool line_by_line);

class MaskedLm final : public Objective {
 public:
  // dev may be empty: then nothing is evaluated. Error for a tokenizer without a mask_token.
  MaskedLm(const Tokenizer& tokenizer, std::vector<std::vector<int32_t>> train, std::vector<std::vector<int32_t>> dev,
           uint64_t seed);

  const std::vector<int32_t>& lengths(DataSplit split) const override { return of(split).lengths; }
  PackedBatch pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                   const Place& place) const override;
  Tensor loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode, double scale) const override;
  Evaluation evaluate(const nn::Model& model, DataSplit split, const BatchSettings& batch) const override;
  int64_t head_dim(const nn::Model& model) const override;

 private:
  struct Sequences {
    std::vector<std::vector<int32_t>> ids;
    std::vector<int32_t> lengths;
    explicit Sequences(std::vector<std::vector<int32_t>> all);
  };
  const Sequences& of(DataSplit split) const { return split == DataSplit::train ? train_ : dev_; }
  void mask_tokens(nn::Segment& segment, int64_t sequence, PhiloxKey key, std::vector<int32_t>& targets) const;

  int32_t mask_id_, vocab_size_;
  std::vector<int32_t> special_ids_;
  Sequences train_, dev_;
  uint64_t seed_;
};

}  // namespace lowland::apps

// Classification and regression of texts: each example is a segment, and the head reads one row of it.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "apps/data/dataset.h"
#include "apps/objectives/prompt.h"
#include "apps/train/objective.h"
#include "models/text/text_model.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland::apps {

struct TokenizedSplit {
  std::vector<std::vector<int32_t>> ids;    // <s> A </s>, or <s> A </s></s> B </s>, or as a prompt has it
  std::vector<std::vector<int32_t>> types;  // token types of each example's ids; empty where all are 0
  std::vector<int32_t> lengths;
  std::vector<int32_t> rows;  // which row of each the head reads; empty: as the model says (TextModel::head_row)
  int64_t truncated = 0;      // examples longer than max_length
};

// Says how many examples of the split were cut. Error on one without a token. prompt: null where there is none.
TokenizedSplit tokenize(const Tokenizer& tokenizer, const std::vector<Example>& examples, int64_t max_length,
                        const std::string& name, const Prompt* prompt = nullptr);

// The head's outputs, in f64 on the host: (examples, labels). Runs without dropout, in batches.
// on_progress: told how many examples are done. ranks: the processes that deal the batches among them, if there are
// several; each gets all outputs.
std::vector<std::vector<double>> predict_outputs(const TextModel& model, const TokenizedSplit& split,
                                                 int64_t batch_size,
                                                 const std::function<void(int64_t, int64_t)>& on_progress = {},
                                                 dist::Communicator* ranks = nullptr);

// Of --class-weights: a comma list in the order of the ids, or `balanced`, the examples over the classes times the
// examples of each (scikit-learn's). Error on anything else.
std::vector<double> class_weights_of(const std::string& text, const TaskInfo& task, const std::vector<Example>& train);

class Classification final : public Objective {
 public:
  // The data's labels are the model's. class_weights: of each class in the mean of a step's losses, as torch's
  // CrossEntropyLoss has them (empty: all alike); what is evaluated counts alike. prompt: of a model that classifies by
  // label words, else null.
  Classification(const Tokenizer& tokenizer, const TextDataset& data, int64_t max_length, double label_smoothing,
                 std::vector<double> class_weights = {}, const Prompt* prompt = nullptr);

  const std::vector<int32_t>& lengths(DataSplit split) const override { return tokens(split).lengths; }
  PackedBatch pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                   const Place& place) const override;
  Tensor loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode, double scale) const override;
  // eval_loss and the task's metrics; of MNLI's other half the same with `_mm` behind their names. Error for a split
  // without labels.
  Evaluation evaluate(const nn::Model& model, DataSplit split, const BatchSettings& batch) const override;
  int64_t head_dim(const nn::Model& model) const override;
  std::vector<std::string> score_names() const override;

  const TokenizedSplit& tokens(DataSplit split) const;

 private:
  const Split& examples(DataSplit split) const;

  const TextDataset& data_;
  double label_smoothing_;
  std::vector<double> class_weights_;
  TokenizedSplit train_, dev_, test_, dev_mm_, test_mm_;
};

}  // namespace lowland::apps

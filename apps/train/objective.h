// Objective: what is learnt. Which examples there are, how some of them become a packed batch, the loss of one, and how
// a model is scored on a split. All else of training is the same whatever is learnt (apps/train).
//
// The model is an argument throughout: a plan of the memory packs and computes with one on the meta device, where no
// file is read and nothing is computed.
#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/data/batches.h"
#include "apps/settings/settings.h"
#include "apps/train/batch.h"
#include "engine/dist/communicator.h"
#include "nn/model.h"
#include "optim/weight_probes.h"

namespace lowland::apps {

enum class DataSplit : uint8_t { train, dev, test };
// Error, naming the flag, for anything but train, dev and test.
DataSplit parse_split(const char* flag, const std::string& name);
const char* name_of(DataSplit split);

// Where in training a batch stands: what is drawn while it is packed depends on this and the seed only.
struct Place {
  int64_t step = 0, epoch = 0;
  int64_t first = 0;      // number in the step of the batch's first example
  bool training = false;  // else of an evaluation or a probe
};

struct Evaluation {
  nlohmann::ordered_json metrics;  // "eval_loss", "eval_accuracy", ...; null where undefined
  double score = 0;                // higher is better: the primary metric, or minus the loss
  std::string score_name;
  nlohmann::ordered_json detail = {};  // what the verb evaluate prints besides: classes, confusion_matrix
  double score_value() const { return lower_is_better(score_name) ? -score : score; }  // as it is told
  static bool lower_is_better(const std::string& metric) { return metric == "loss" || metric == "mse"; }
};

class Objective {
 public:
  virtual ~Objective() = default;

  // Tokens of each example of the split.
  virtual const std::vector<int32_t>& lengths(DataSplit split) const = 0;
  virtual PackedBatch pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                           const Place& place) const = 0;
  // scale * sum of the losses of the batch's targets.   -> (1)
  virtual Tensor loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode, double scale) const = 0;
  // At the centre, without dropout. REQUIRES a split with examples.
  virtual Evaluation evaluate(const nn::Model& model, DataSplit split, const BatchSettings& batch) const = 0;

  // What `evaluate` gives that a best step can be chosen by, without the eval_ in front.
  virtual std::vector<std::string> score_names() const { return {"loss"}; }
  // Whether steps hold examples of like length, so that all take about as long.
  virtual bool groups_by_length() const { return true; }
  // What makes a micro-batch large; of several measures the last one is the step's, and the largest step by the others
  // is only packed. An absent measure is tokens.
  virtual std::vector<BatchPlan::Size> measures(const nn::Model&) const { return {BatchPlan::Size()}; }
  // Width of a head of attention that goes backward, the largest: decides the scratch memory of CPU kernels.
  virtual int64_t head_dim(const nn::Model& model) const = 0;
  // The processes among which an evaluation's batches are dealt, all of which make it; null: this one alone. The
  // batches are those of one process, and so are the results, bit for bit.
  mutable dist::Communicator* ranks = nullptr;
  // Whether the batch of this number is this process's.
  bool mine(int64_t batch) const { return ranks == nullptr || batch % ranks->world() == ranks->rank().index; }
  // Numbers of which each process has its own, the others zero: all of them afterwards.
  void share(std::vector<double>& values) const {
    if (ranks != nullptr) ranks->all_reduce(values, "evaluation");
  }
  // Called during an evaluation with how much of it is done: what a person sees of it.
  mutable std::function<void(int64_t done, int64_t total)> on_progress;
  void progress(int64_t done, int64_t total) const {
    if (on_progress) on_progress(done, total);
  }
  // Bytes that wait on the host to be written while it trains.
  virtual size_t waiting_bytes(const nn::Model&) const { return 0; }
};

// The mean loss per target over a split, and its targets. Error where there is none.
struct MeanLoss {
  double loss = 0;
  int64_t targets = 0;
};
MeanLoss mean_loss(const Objective& objective, const nn::Model& model, DataSplit split, const BatchSettings& batch);

// The mean loss per target over packed batches, without dropout: what sharpness and its like are measured with. The
// arguments must outlive it. Throws Error if no row carries loss. The objective's processes deal the batches; the sums
// of their losses and gradients are the same bits in all of them.
optim::ProbeLoss probe_loss(nn::Model& model, const Objective& objective, const std::vector<PackedBatch>& batches);

}  // namespace lowland::apps

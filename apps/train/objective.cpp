#include "apps/train/objective.h"

#include <numeric>

#include "engine/autograd.h"
#include "engine/error.h"

namespace lowland::apps {

DataSplit parse_split(const char* flag, const std::string& name) {
  check_word(flag, name, {"train", "dev", "test"});
  return name == "train" ? DataSplit::train : name == "dev" ? DataSplit::dev : DataSplit::test;
}

const char* name_of(DataSplit split) {
  return split == DataSplit::train ? "train" : split == DataSplit::dev ? "dev" : "test";
}

MeanLoss mean_loss(const Objective& objective, const nn::Model& model, DataSplit split, const BatchSettings& batch) {
  const NoGrad guard(model.context());
  const std::vector<int32_t>& lengths = objective.lengths(split);
  const auto all = static_cast<int64_t>(lengths.size());
  MeanLoss mean;
  int64_t done = 0, number = 0;
  std::vector<double> losses, targets;  // by batch
  for (const auto& which : micro_batches(lengths, first_examples(all, all), batch.batch_size, batch.batch_tokens)) {
    losses.push_back(0);
    targets.push_back(0);
    done += static_cast<int64_t>(which.size());
    if (objective.mine(number++)) {
      const PackedBatch b = objective.pack(model, split, which, {});
      targets.back() = static_cast<double>(b.target_count);
      if (b.target_count > 0) losses.back() = objective.loss(model, b, nn::Mode::evaluation(), 1.0).item();
    }
    objective.progress(done, all);
  }
  objective.share(losses);
  objective.share(targets);
  for (size_t i = 0; i < losses.size(); ++i) {
    mean.loss += losses[i];
    mean.targets += static_cast<int64_t>(targets[i]);
  }
  LL_CHECK(mean.targets > 0, "the {} split has nothing to take a loss of", name_of(split));
  mean.loss /= static_cast<double>(mean.targets);
  return mean;
}

namespace {

// Of the arena, and of the probes that stand beside weights: each process has those of its batches.
void sum_gradients(nn::Model& model, dist::Communicator* ranks) {
  if (ranks == nullptr) return;
  ranks->all_reduce(model.arena().grads(), "gradients");
  for (const nn::Linear* linear : model.linears())
    if (linear->probe() && linear->probe().requires_grad())
      ranks->all_reduce(linear->probe().grad(), "gradients of a probe");
}

}  // namespace

optim::ProbeLoss probe_loss(nn::Model& model, const Objective& objective, const std::vector<PackedBatch>& batches) {
  const double targets = weight_of(batches);
  LL_CHECK(targets > 0, "no examples to measure sharpness on");
  return [&model, &objective, &batches, targets](bool backward) {
    std::vector<double> losses;
    for (const PackedBatch& b : batches) {
      losses.push_back(0);
      if (!objective.mine(std::ssize(losses) - 1)) continue;
      const auto run = [&] {
        const Tensor l = objective.loss(model, b, nn::Mode::evaluation(), 1.0 / targets);
        losses.back() = l.item();
        return l;
      };
      if (backward) {
        model.context().tape().backward(run());
      } else {
        const NoGrad guard(model.context());
        run();
      }
    }
    if (backward) sum_gradients(model, objective.ranks);
    objective.share(losses);
    return std::accumulate(losses.begin(), losses.end(), 0.0);
  };
}

}  // namespace lowland::apps

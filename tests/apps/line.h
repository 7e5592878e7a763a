// The smallest thing that trains: a line fitted to points, in double, alone or through an adapter.
#pragma once
#include <functional>
#include <vector>

#include "apps/train/objective.h"
#include "engine/ops/ops.h"
#include "nn/linear.h"
#include "tests/ops/harness.h"

namespace lowland::test {

using namespace lowland::apps;

inline constexpr int64_t kWidth = 3, kTrain = 11, kDev = 4;

inline double input(int64_t example, int64_t c) {
  return random_values(kWidth, 100 + static_cast<uint64_t>(example))[c];
}
inline double target(int64_t example) {
  const double noise = random_values(1, 200 + static_cast<uint64_t>(example), 0.1)[0];
  return input(example, 0) - 0.5 * input(example, 1) + 0.7 * input(example, 2) + noise;
}
inline bool has_target(int64_t example) { return example % 4 != 3; }
inline double error(const Values& w, int64_t example) {
  double y = -target(example);
  for (int64_t c = 0; c < kWidth; ++c) y += w[static_cast<size_t>(c)] * input(example, c);
  return y;
}

// y = w x, trained whole or through an adapter.
struct Line final : nn::Model {
  explicit Line(Context& context, bool adapted) {
    linear = own(std::make_unique<nn::Linear>(parameters_, "w", 1, kWidth, nn::Bias::none));
    if (adapted) {
      attach_lora({.rank = 2,
                   .alpha = 2,
                   .targets = [](const std::string&) { return true; },
                   .besides = nullptr,
                   .size = nullptr});
    } else {
      train([](const std::string&) { return true; });
    }
    materialise(context, DType::f64);
    for (const auto& [name, tensor] : parameters_.named()) tensor.assign(Values{0.3, -0.2, 0.1});
    initialise_adapters(5);
  }
  nn::Linear* linear = nullptr;
};

// The squared error over the examples that have a target. Dev's examples are numbered behind those of train.
struct Points final : Objective {
  std::vector<int32_t> train = std::vector<int32_t>(kTrain), dev = std::vector<int32_t>(kDev, 1);
  struct Packed {
    Place place;
    std::vector<int64_t> which;
  };
  mutable std::vector<Packed> packed;  // for training, in the order of the calls
  mutable std::function<void(const PackedBatch&, const nn::Mode&)> seen = [](const PackedBatch&, const nn::Mode&) {};

  Points() {
    for (size_t i = 0; i < train.size(); ++i) train[i] = static_cast<int32_t>(1 + i % 3);
  }
  const std::vector<int32_t>& lengths(DataSplit split) const override { return split == DataSplit::dev ? dev : train; }
  PackedBatch pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                   const Place& place) const override {
    PackedBatch batch;
    std::vector<nn::Segment> segments;
    for (const int64_t i : which) {
      const int64_t e = split == DataSplit::dev ? kTrain + i : i;
      segments.push_back({std::vector<int32_t>(static_cast<size_t>(lengths(split)[i]), 1), i, {0}});
      batch.examples.push_back(e);
      batch.target_count += has_target(e);
    }
    batch.rows = nn::pack(model.context(), segments);
    if (place.training) packed.push_back({place, which});
    return batch;
  }
  Tensor loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode, double scale) const override {
    seen(batch, mode);
    Values x, y;
    for (const int64_t e : batch.examples) {
      if (!has_target(e)) continue;
      for (int64_t c = 0; c < kWidth; ++c) x.push_back(input(e, c));
      y.push_back(target(e));
    }
    const auto K = std::ssize(y);
    const Tensor in = Tensor::from<double>(model.context(), {K, kWidth}, x);
    const Tensor out = static_cast<const Line&>(model).linear->forward(in, {}, mode);
    return ops::mse(out.reshape({K}), Tensor::from<double>(model.context(), {K}, y), scale);
  }
  Evaluation evaluate(const nn::Model& model, DataSplit split, const BatchSettings& batch) const override {
    const double mean = mean_loss(*this, model, split, batch).loss;
    return {{{"eval_loss", mean}}, -mean, "loss"};
  }
  int64_t head_dim(const nn::Model&) const override { return 1; }
};

}  // namespace lowland::test

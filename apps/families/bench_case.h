// BenchCase: a model of published shapes with random weights and random examples, as the verb bench times it.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/settings/settings.h"
#include "apps/train/batch.h"
#include "nn/model.h"

namespace lowland::apps {

class BenchCase {
 public:
  virtual ~BenchCase() = default;

  AdapterSettings lora;
  BatchSettings batch;  // recompute and, where narrow_weights is set, weights_dtype
  bool narrow_weights = false;
  std::string preset;
  int64_t sequences = 8, length = 128;

  virtual void add_flags(Flags& flags) = 0;    // of preset and shape
  virtual void check() = 0;                    // and reads what the flags name
  virtual void set_blocks(int64_t count) = 0;  // of the model's own, in place of the preset's
  // What the preset's model is, with what the method trains chosen; without memory. Keys for each JSON line.
  virtual std::unique_ptr<nn::Model> new_model(const MethodSettings& method) const = 0;
  virtual double random_std() const = 0;
  virtual nlohmann::ordered_json shape() const = 0;
  virtual PackedBatch random_batch(const nn::Model& model, int64_t step) const = 0;
  // scale * sum of the losses of the batch.   -> (1)
  virtual Tensor loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode, double scale) const = 0;
};

// A random token of a sequence of a step, the same for every method.
int32_t bench_token(int64_t step, int64_t sequence, int64_t position, int64_t vocabulary);

}  // namespace lowland::apps

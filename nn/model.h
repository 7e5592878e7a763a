// Model: what the training loop, the probes and the hub need to know of a model: its parameters, its linear maps, and a
// forward pass over packed rows. Life of a model: construct (names and shapes), choose what is trained, materialise
// (memory), fill (files or fresh values), forward.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/linear.h"

namespace lowland::nn {

class Model {
 public:
  virtual ~Model() = default;
  // Outputs of the selected rows: (K, labels) of a classifier, (K, V) of a language model.
  virtual Tensor forward(const Rows& rows, const Mode& mode) const = 0;
  // Longest segment that the positions allow.
  virtual int64_t max_length() const = 0;

  ParameterSet& parameters() { return parameters_; }
  const ParameterSet& parameters() const { return parameters_; }
  const std::vector<Linear*>& linears() const { return linears_; }

  // --- before materialise
  // Trains every parameter whose module path or name satisfies the predicate.
  void train(const std::function<bool(const std::string& name)>& which);
  // LoRA pairs on the linear modules that the configuration targets. Throws Error if it targets none.
  void attach_lora(const LoraConfig& config);
  // Recompute each block in the backward pass instead of keeping its tensors.
  void set_recompute(bool on) { recompute_ = on; }

  // Keep frozen matrices in bf16 while activations are in f32. For models whose ops know it (Llama).
  void set_frozen_dtype(DType dtype) { frozen_dtype_ = dtype; }

  // Memory for everything. dtype: what the forward computes in; f64 is for checks, bf16 for GPUs (trained numbers
  // then have f32 masters).
  void materialise(Context& context, DType dtype);
  bool materialised() const { return context_ != nullptr; }

  // --- after materialise
  Context& context() const { return *context_; }
  DType dtype() const { return dtype_; }
  Arena& arena() const { return *arena_; }
  const std::vector<AdapterSpec>& adapters() const { return adapters_; }
  // A uniform in +-1/sqrt(in), B zero (peft's initialisation), a function of the seed and the module's name.
  void initialise_adapters(uint64_t seed);
  int64_t trainable_count() const;
  int64_t total_count() const;  // frozen, trained and adapters

 protected:
  Model() = default;
  Linear* own(std::unique_ptr<Linear> linear);
  ParameterSet parameters_;
  bool recompute_ = false;

 private:
  std::vector<std::unique_ptr<Linear>> owned_;
  std::vector<Linear*> linears_;
  std::vector<ArenaSpec> adapter_specs_;
  std::vector<AdapterSpec> adapters_;
  std::unique_ptr<Arena> arena_;
  Context* context_ = nullptr;
  DType dtype_ = DType::f32;
  std::optional<DType> frozen_dtype_;  // absent: dtype_
};

}  // namespace lowland::nn

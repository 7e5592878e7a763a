// Linear: y = x W^T + bias, with or without bias and LoRA pairs. W may hold several of the model's linear maps that
// read one input (query over key over value): they are `parts`, one GEMM serves all, files and adapters know them by
// name.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "nn/lora.h"
#include "nn/parameter.h"
#include "nn/rows.h"

namespace lowland::nn {

enum class Bias : uint8_t { none, learnt };

class Linear {
 public:
  struct Part {
    std::string module;  // Hugging Face's module path, without ".weight"
    int64_t rows = 0;    // outputs
  };

  Linear(ParameterSet& set, std::vector<Part> parts, int64_t in, Bias bias = Bias::learnt);
  Linear(ParameterSet& set, const std::string& module, int64_t out, int64_t in, Bias bias = Bias::learnt)
      : Linear(set, std::vector<Part>{{module, out}}, in, bias) {}

  // A map over a weight that is another module's, as an output layer's that is tied to the embedding.
  Linear(ParameterSet& set, const std::string& module, Parameter& weight);

  // x (N, in) -> (N, sum of the parts' rows)
  Tensor forward(const Tensor& x, const RowIds& rows, const Mode& mode) const {
    return forward_parts(x, 0, parts_.size(), rows, mode);
  }
  // Only parts [first, first + count), as narrow as they are.
  Tensor forward_parts(const Tensor& x, size_t first, size_t count, const RowIds& rows, const Mode& mode) const;

  const std::vector<Part>& parts() const { return parts_; }
  int64_t in() const { return in_; }
  Parameter& weight() const { return *weight_; }

  // --- adapters, before the arena exists
  // Adds a pair to every part that the configuration targets; appends what the arena must hold.
  void attach(const LoraConfig& config, std::vector<ArenaSpec>& specs, std::vector<AdapterSpec>& adapters);
  // Instead: the one part reads a pair that another module attached.
  void share(const LoraConfig& config, const LoraPair& pair, double scale);
  // --- after it exists
  void bind(const Arena& arena) { arena_ = &arena; }
  bool adapted() const { return !pairs_.empty(); }
  // The rows [begin, end) of the weight that adapters change, in order.
  std::vector<std::pair<int64_t, int64_t>> adapted_rows() const;
  // DoRA: the lengths of the adapted rows of W + s B A as they are now, into the magnitudes.
  void initialise_magnitudes() const;

  // --- probes: y += x E^T with E (out, in) beside the frozen weight, which stays. An absent tensor takes it off.
  void set_probe(Tensor e) { probe_ = std::move(e); }
  const Tensor& probe() const { return probe_; }

 private:
  struct Pair : LoraPair {
    size_t part = 0;
    double scale = 0;
    std::string magnitude = {};  // empty: not DoRA
  };
  Tensor forward_dora(const Tensor& x, const Weight& w, const Tensor& bias, LoraGroup lora, LoraGroup beside,
                      size_t first, size_t count) const;
  Tensor forward_probe(const Tensor& x, int64_t begin, int64_t end) const;
  LoraGroup group(const Arena& arena, size_t first, size_t count, const RowIds& rows, const Mode& mode) const;
  int64_t row_of(size_t part) const;

  std::vector<Part> parts_;
  int64_t in_ = 0;
  Parameter* weight_ = nullptr;
  Parameter* bias_ = nullptr;  // null: none
  uint64_t op_ = 0;
  double dropout_ = 0;       // on the pairs' input
  std::vector<Pair> pairs_;  // in the order of the parts
  const Arena* arena_ = nullptr;
  Tensor probe_;
};

}  // namespace lowland::nn

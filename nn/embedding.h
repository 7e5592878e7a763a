// Embedding: a table of learned rows, with or without a LoRA pair.
#pragma once
#include <string>
#include <vector>

#include "nn/lora.h"
#include "nn/parameter.h"
#include "nn/rows.h"

namespace lowland::nn {

class Embedding {
 public:
  Embedding(ParameterSet& set, const std::string& module, int64_t entries, int64_t width)
      : module_(module), weight_(&set.add(module + ".weight", {entries, width}, Init::normal, true)) {}

  // ids (N) i32 -> (N, C), as `dtype`; id i is row first + i of the table.
  Tensor forward(const Tensor& ids, DType dtype, int64_t first = 0) const;
  Tensor forward(const Tensor& ids) const { return forward(ids, weight_->value.dtype()); }

  const std::string& module() const { return module_; }  // Hugging Face's module path
  Parameter& weight() const { return *weight_; }         // (V, C)

  // --- adapters, before the arena exists
  // A pair of the table, W (V, C) + scale * B A. In peft's files lora_embedding_A is B^T, lora_embedding_B is A^T.
  void attach(const LoraConfig& config, std::vector<ArenaSpec>& specs, std::vector<AdapterSpec>& adapters);
  LoraPair pair() const { return {module_ + ".lora_embedding_B", module_ + ".lora_embedding_A"}; }
  // --- after it exists
  void bind(const Arena& arena) { arena_ = &arena; }

 private:
  Tensor low_rank(const Arena& arena, const Tensor& ids, int64_t first) const;

  std::string module_;
  Parameter* weight_;
  double scale_ = 0;  // 0: no pair
  const Arena* arena_ = nullptr;
};

}  // namespace lowland::nn

#include "nn/embedding.h"

#include "engine/autograd.h"
#include "engine/error.h"

namespace lowland::nn {

void Embedding::attach(const LoraConfig& config, std::vector<ArenaSpec>& specs, std::vector<AdapterSpec>& adapters) {
  if (!config.besides(module_)) return;
  LL_CHECK(!config.dora, "DoRA is for linear layers, and {} is an embedding", module_);
  const auto [R, scale] = config.size_of(module_);
  scale_ = scale;
  const int64_t V = weight_->shape[0], C = weight_->shape[1];
  const auto [a, b] = pair();
  specs.push_back({a, {R, C}, Role::lora_a});
  specs.push_back({b, {V, R}, Role::lora_b});
  adapters.push_back({.module = module_, .a = a, .b = b, .n = V, .m = C, .r = R, .scale = scale_});
}

Tensor Embedding::forward(const Tensor& ids, DType dtype, int64_t first) const {
  const Tensor table = first == 0 ? weight_->value : weight_->slice(first, weight_->shape[0]);  // (V - first, C)
  const Tensor x = ops::embedding(ids, table, dtype);                                           // (N, C)
  if (scale_ == 0) return x;
  Tensor y = low_rank(*arena_, ids, first);  // (N, C)
  if (const Arena* side = arena_->forward_side()) y = ops::add(y, low_rank(*side, ids, first));
  return ops::add(x, ops::scale(y, scale_));  // (N, C)
}

// Rows of (B + E) (A + E_A): products of rows, never the whole table.
Tensor Embedding::low_rank(const Arena& arena, const Tensor& ids, int64_t first) const {
  const auto [a, b] = pair();
  LL_CHECK(!arena.rounded() || !ids.context().tape().recording(),
           "the pair on {} cannot be trained in bf16: take --dtype f32, or no embedding among the targets", module_);
  const auto rows = [&](const Tensor& all) {  // (V, R) -> (N, R)
    Tensor from = first == 0 ? all : all.slice_rows(first, all.dim(0));
    if (first != 0 && all.requires_grad()) from.set_grad_buffer(all.grad().slice_rows(first, all.dim(0)));
    return ops::embedding(ids, from);
  };
  Tensor u = rows(arena.value(b));  // (N, R)
  if (const Tensor e = arena.forward_perturbation(b)) u = ops::add(u, rows(e));
  Tensor y = ops::matmul(u, arena.value(a));  // (N, C)
  if (const Tensor e = arena.forward_perturbation(a)) y = ops::add(y, ops::matmul(u, e));
  return y;
}

}  // namespace lowland::nn

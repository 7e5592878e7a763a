#include "nn/linear.h"

#include <utility>

#include "engine/error.h"

namespace lowland::nn {
namespace {

std::vector<NamedRows> named_rows(const std::vector<Linear::Part>& parts, const char* suffix) {
  std::vector<NamedRows> rows;
  int64_t at = 0;
  for (const Linear::Part& p : parts) {
    rows.push_back({p.module + suffix, at, at + p.rows});
    at += p.rows;
  }
  return rows;
}

// Draws of noise on a weight: not those of the dropout before it.
uint64_t noise_stream(uint64_t op) { return op | uint64_t{1} << 40; }

}  // namespace

Linear::Linear(ParameterSet& set, std::vector<Part> parts, int64_t in, Bias bias) : parts_(std::move(parts)), in_(in) {
  const int64_t out = row_of(parts_.size());
  weight_ = &set.add_rows(named_rows(parts_, ".weight"), {out, in}, Init::normal, true);
  if (bias == Bias::learnt) bias_ = &set.add_rows(named_rows(parts_, ".bias"), {out}, Init::zeros, false);
  op_ = set.next_op();
}

Linear::Linear(ParameterSet& set, const std::string& module, Parameter& weight)
    : parts_{{module, weight.shape[0]}}, in_(weight.shape[1]), weight_(&weight), op_(set.next_op()) {}

int64_t Linear::row_of(size_t part) const {
  int64_t row = 0;
  for (size_t i = 0; i < part; ++i) row += parts_[i].rows;
  return row;
}

void Linear::attach(const LoraConfig& config, std::vector<ArenaSpec>& specs, std::vector<AdapterSpec>& adapters) {
  dropout_ = config.dropout;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& p = parts_[i];
    if (!config.targets(p.module)) continue;
    const auto [rank, scale] = config.size_of(p.module);
    Pair pair{{p.module + ".lora_A.weight", p.module + ".lora_B.weight"}, i, scale};
    specs.push_back({pair.a, {rank, in_}, Role::lora_a});
    specs.push_back({pair.b, {p.rows, rank}, Role::lora_b});
    adapters.push_back(
        {.module = p.module, .a = pair.a, .b = pair.b, .n = p.rows, .m = in_, .r = rank, .scale = scale});
    if (config.dora) {
      pair.magnitude = p.module + ".lora_magnitude_vector";
      specs.push_back({pair.magnitude, {p.rows}, Role::decayed});
      adapters.back().magnitude = pair.magnitude;
    }
    pairs_.push_back(pair);
  }
}

void Linear::share(const LoraConfig& config, const LoraPair& pair, double scale) {
  dropout_ = config.dropout;
  pairs_ = {{pair, 0, scale}};
}

std::vector<std::pair<int64_t, int64_t>> Linear::adapted_rows() const {
  std::vector<std::pair<int64_t, int64_t>> rows;
  for (const Pair& pair : pairs_) rows.emplace_back(row_of(pair.part), row_of(pair.part + 1));
  return rows;
}

LoraGroup Linear::group(const Arena& arena, size_t first, size_t count, const RowIds& rows, const Mode& mode) const {
  LoraGroup group;
  group.dropout = mode.dropout(dropout_, op_, rows);
  const int64_t origin = row_of(first);
  const Pair* first_pair = nullptr;
  for (const Pair& pair : pairs_) {
    if (pair.part < first || pair.part >= first + count) continue;
    if (first_pair == nullptr) first_pair = &pair;
    group.parts.push_back({.b = arena.value(pair.b),  // (n, R)
                           .b_perturbation = arena.forward_perturbation(pair.b),
                           .row_begin = row_of(pair.part) - origin,
                           .scale = pair.scale});
  }
  if (first_pair == nullptr) return group;
  const int64_t pairs = group.parts.size();
  group.a = arena.stacked(first_pair->a, pairs);  // (KR, in)
  group.a_perturbation = arena.forward_perturbation_stacked(first_pair->a, pairs);
  if (const double* rho = arena.forward_noise())
    group.noise = {.rho = rho, .draws = mode.draws(noise_stream(op_)), .first_row = origin};
  return group;
}

Tensor Linear::forward_parts(const Tensor& x, size_t first, size_t count, const RowIds& rows, const Mode& mode) const {
  const int64_t begin = row_of(first), end = row_of(first + count);
  const Weight w = weight_->weight(begin, end);                                // (end - begin, in)
  const Tensor bias = bias_ == nullptr ? Tensor() : bias_->slice(begin, end);  // (end - begin)
  const LoraGroup lora = arena_ == nullptr ? LoraGroup() : group(*arena_, first, count, rows, mode);
  Tensor y;  // (N, end - begin)
  if (lora.parts.empty()) {
    y = ops::linear(x, w, bias);
  } else {
    const Arena* const side = arena_->forward_side();
    const LoraGroup beside = side == nullptr ? LoraGroup() : group(*side, first, count, rows, mode);
    if (!pairs_.front().magnitude.empty()) return forward_dora(x, w, bias, lora, beside, first, count);
    y = ops::lora_linear(x, w, bias, lora, beside);
  }
  return probe_ ? ops::add(y, forward_probe(x, begin, end)) : y;
}

// x E^T of the rows [begin, end), (N, end - begin).
Tensor Linear::forward_probe(const Tensor& x, int64_t begin, int64_t end) const {
  Tensor e = probe_.slice_rows(begin, end);
  if (probe_.requires_grad()) e.set_grad_buffer(probe_.grad().slice_rows(begin, end));
  return ops::linear(x, e, Tensor());
}

// As in peft: a dropout on the pairs' input is one on that of all that is turned and stretched, and what W gives of the
// part that was dropped stays as it is. A probe is on the direction, W + s B A + E, whose lengths stay those without
// it.
Tensor Linear::forward_dora(const Tensor& x, const Weight& w, const Tensor& bias, LoraGroup lora, LoraGroup beside,
                            size_t first, size_t count) const {
  const int64_t begin = row_of(first), end = row_of(first + count);
  const std::vector<Tensor> lengths = ops::adapted_lengths(w, lora, beside);
  std::vector<DoraPart> parts;
  for (const Pair& pair : pairs_)
    if (pair.part >= first && pair.part < first + count)
      parts.push_back({.magnitude = arena_->unrounded(pair.magnitude),  // (n)
                       .length = lengths[parts.size()],
                       .row_begin = row_of(pair.part) - begin});
  const Dropout dropout = std::exchange(lora.dropout, {});
  beside.dropout = {};
  const Tensor xd = dropout.active() ? ops::dropout(x, dropout) : x;  // (N, in)
  Tensor z = ops::lora_linear(xd, w, Tensor(), lora, beside);         // (N, end - begin)
  if (probe_) z = ops::add(z, forward_probe(xd, begin, end));
  const Tensor y = ops::dora(z, bias, parts);  // (N, end - begin)
  if (!dropout.active()) return y;
  return ops::add(y, ops::linear(ops::add(x, ops::scale(xd, -1)), w, Tensor()));
}

void Linear::initialise_magnitudes() const {
  if (pairs_.empty() || pairs_.front().magnitude.empty()) return;
  const LoraGroup lora = group(*arena_, 0, parts_.size(), {}, Mode::evaluation());
  LL_CHECK(!weight_->sharded,
           "DoRA needs the lengths of {}, which several processes hold in parts: leave --shard-base out",
           weight_->name);
  const std::vector<Tensor> lengths = ops::adapted_lengths(weight_->weight(0, row_of(parts_.size())), lora);
  for (size_t k = 0; k < pairs_.size(); ++k) arena_->master(pairs_[k].magnitude).copy_from(lengths[k]);
}

}  // namespace lowland::nn

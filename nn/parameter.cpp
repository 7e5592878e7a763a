#include "nn/parameter.h"

#include <algorithm>

#include "engine/error.h"
#include "nn/init.h"

namespace lowland::nn {

namespace {

Tensor rows_of(const Tensor& whole, int64_t begin, int64_t end) {
  if (begin == 0 && end == whole.dim(0)) return whole;
  Tensor part = whole.slice_rows(begin, end);
  if (whole.requires_grad()) part.set_grad_buffer(whole.grad().slice_rows(begin, end));
  return part;
}

}  // namespace

bool Parameter::trains(const NamedRows& r) const {
  return trainable && std::none_of(held.begin(), held.end(),
                                   [&](const auto& still) { return still.first <= r.begin && r.end <= still.second; });
}

std::vector<int64_t> Parameter::trained_rows() const {
  std::vector<int64_t> out;
  for (int64_t row = 0; trainable && row < shape[0]; ++row)
    if (trains({"", row, row + 1})) out.push_back(row);
  return out;
}

Tensor Parameter::slice(int64_t begin, int64_t end) const { return rows_of(value, begin, end); }
Tensor Parameter::stored(int64_t begin, int64_t end) const { return rows_of(master, begin, end); }

void ParameterSet::touch() const {
  if (arena_ != nullptr) arena_->touch();
}

Parameter& ParameterSet::add(const std::string& name, Shape shape, Init init, bool decay) {
  const int64_t rows = shape.empty() ? 1 : shape[0];
  return add_rows({{name, 0, rows}}, std::move(shape), init, decay);
}

Parameter& ParameterSet::add_rows(const std::vector<NamedRows>& rows, Shape shape, Init init, bool decay) {
  parameters_.push_back(std::make_unique<Parameter>());
  Parameter& p = *parameters_.back();
  p.name = rows.front().name;
  p.shape = std::move(shape);
  p.rows = rows;
  p.init = init;
  p.decay = decay;
  return p;
}

std::vector<std::pair<std::string, Tensor>> ParameterSet::named() const {
  touch();
  std::vector<std::pair<std::string, Tensor>> out;
  for (const auto& p : parameters_)
    for (const NamedRows& r : p->rows) out.emplace_back(r.name, p->stored(r.begin, r.end));
  return out;
}

std::vector<std::pair<std::string, Tensor>> ParameterSet::to_fill() const {
  touch();
  std::vector<std::pair<std::string, Tensor>> out;
  for (const auto& p : parameters_)
    for (const NamedRows& r : p->rows)
      if (!p->shared) out.emplace_back(r.name, p->stored(r.begin, r.end));
  return out;
}

std::vector<std::string> ParameterSet::shared_names() const {
  std::vector<std::string> out;
  for (const auto& p : parameters_)
    for (const NamedRows& r : p->rows)
      if (p->shared) out.push_back(r.name);
  return out;
}

FrozenWeights ParameterSet::frozen() const {
  FrozenWeights out;
  for (const auto& p : parameters_)
    if (!p->trainable) out.emplace(p->name, p->value);
  return out;
}

void ParameterSet::share(const FrozenWeights& weights) {
  for (const auto& p : parameters_) {
    const auto at = weights.find(p->name);
    if (p->trainable || at == weights.end() || at->second.shape() != p->shape) continue;
    p->value = at->second;
    p->shared = true;
  }
}

Tensor ParameterSet::find(const std::string& name) const {
  touch();
  for (const auto& p : parameters_)
    for (const NamedRows& r : p->rows)
      if (r.name == name) return p->stored(r.begin, r.end);
  return {};
}

bool ParameterSet::input_first(const std::string& name) const {
  return std::any_of(parameters_.begin(), parameters_.end(),
                     [&](const auto& p) { return p->input_first && p->name == name; });
}

int64_t ParameterSet::count() const {
  int64_t n = 0;
  for (const auto& p : parameters_) n += numel_of(p->shape);
  return n;
}

std::vector<ArenaSpec> ParameterSet::arena_specs() const {
  std::vector<ArenaSpec> specs;
  for (const auto& p : parameters_)
    if (p->trainable)
      specs.push_back({p->name, p->shape, p->decay && p->held.empty() ? Role::decayed : Role::undecayed});
  return specs;
}

void ParameterSet::materialise(Context& context, const std::function<DType(const Parameter&)>& frozen, Arena* arena) {
  const PhaseScope phase(context.memory(), "weights");
  arena_ = arena;
  for (const auto& p : parameters_) {
    const DType own = frozen(*p);
    p->shared = p->shared && p->value.dtype() == own && &p->value.context() == &context;
    if (!p->shared) p->value = p->trainable ? arena->value(p->name) : Tensor::empty(context, p->shape, own);
    p->master = p->trainable ? arena->master(p->name) : p->value;
  }
}

void ParameterSet::initialise(uint64_t seed, double std, const std::function<bool(const std::string&)>& which) {
  touch();
  for (const auto& p : parameters_) {
    for (const NamedRows& r : p->rows) {
      if (!which(r.name)) continue;
      const Tensor stored = p->master.slice_rows(r.begin, r.end);
      const Tensor t = is_blocks(stored.dtype()) ? Tensor::empty(stored.context(), stored.shape(), DType::f32) : stored;
      switch (p->init) {
        case Init::zeros: init_constant(t, 0.0); break;
        case Init::ones: init_constant(t, 1.0); break;
        case Init::normal: init_normal(t, std, init_key(seed, r.name)); break;
      }
      if (is_blocks(stored.dtype())) stored.copy_from(t);
    }
  }
}

}  // namespace lowland::nn

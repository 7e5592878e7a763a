#include "nn/arena.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/launch.h"
#include "kernels/convert.h"

namespace lowland::nn {
namespace {

constexpr int64_t kAlign = 16;  // elements; keeps matrices on 64-byte boundaries in f32

int64_t align(int64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

Tensor part(const Tensor& array, int64_t begin, const Shape& shape) {
  return array.slice_rows(begin, begin + numel_of(shape)).reshape(shape);
}

}  // namespace

const char* name_of(Role role) {
  switch (role) {
    case Role::lora_a: return "lora_a";
    case Role::lora_b: return "lora_b";
    case Role::decayed: return "decayed";
    case Role::undecayed: return "undecayed";
  }
  return "?";
}

Arena::Arena(Context& context, DType dtype, std::vector<ArenaSpec> specs, std::vector<AdapterSpec> adapters,
             bool learns) {
  LL_CHECK(dtype == DType::f32 || dtype == DType::f64 || dtype == DType::bf16, "a model does not compute in {}",
           name_of(dtype));
  std::stable_sort(specs.begin(), specs.end(), [](const auto& x, const auto& y) { return x.role < y.role; });
  int64_t end = 0;
  for (ArenaSpec& spec : specs) {
    Range& range = ranges_[static_cast<size_t>(spec.role)];
    // The A's lie side by side without gaps, so that stacked() can read several as one matrix.
    const bool first = slots_.empty() || slots_.back().role != spec.role;
    if (first || spec.role != Role::lora_a) end = align(end);
    if (first) range.begin = end;
    LL_CHECK(index_.emplace(spec.name, slots_.size()).second, "the arena was given '{}' twice", spec.name);
    slots_.push_back({std::move(spec), end});
    end += numel_of(slots_.back().shape);
    range.end = end;
  }
  {
    const PhaseScope phase(context.memory(), "weights");
    values_ = Tensor::zeros(context, {end}, acc_of(dtype));
    if (learns) grads_ = Tensor::zeros(context, {end}, acc_of(dtype));
    if (dtype == DType::bf16) view_ = Tensor::zeros(context, {end}, dtype);
  }
  for (AdapterSpec& spec : adapters) {
    const ArenaSlot &a = slot(spec.a), &b = slot(spec.b);
    LL_CHECK(a.role == Role::lora_a && b.role == Role::lora_b, "adapter '{}': '{}' is {} and '{}' is {}", spec.module,
             a.name, name_of(a.role), b.name, name_of(b.role));
    LL_CHECK(spec.n > 0 && spec.m > 0 && spec.r > 0, "adapter '{}' has n {}, m {}, r {}", spec.module, spec.n, spec.m,
             spec.r);
    LL_CHECK((a.shape == Shape{spec.r, spec.m}) && (b.shape == Shape{spec.n, spec.r}),
             "adapter '{}' needs A ({},{}) and B ({},{}), but A is {} and B is {}", spec.module, spec.r, spec.m, spec.n,
             spec.r, to_string(a.shape), to_string(b.shape));
    LL_CHECK(std::isfinite(spec.scale) && spec.scale != 0,
             "adapter '{}' has scale {}: with alpha 0 an adapter has no effect and no gradient", spec.module,
             spec.scale);
    const int64_t a_offset = a.offset, b_offset = b.offset;
    adapters_.push_back({std::move(spec), a_offset, b_offset});
  }
}

void Arena::zero_grads() const {
  if (grads_) grads_.fill_zero();
  if (side_) side_->zero_grads();
}

const ArenaSlot& Arena::slot(const std::string& name) const {
  const auto found = index_.find(name);
  LL_CHECK(found != index_.end(), "'{}' is not among the {} trained tensors", name, slots_.size());
  return slots_[found->second];
}

Range Arena::stack(const std::string& first, int64_t count, Shape& shape) const {
  const ArenaSlot& a = slot(first);
  const size_t begin = index_.at(first), last = begin + count;
  LL_CHECK(count >= 1 && a.role == Role::lora_a && last <= slots_.size(), "cannot stack {} matrices from '{}'", count,
           first);
  int64_t rows = 0;
  for (size_t i = begin; i < last; ++i) {
    const ArenaSlot& s = slots_[i];
    LL_CHECK(s.role == Role::lora_a && s.shape[1] == a.shape[1], "cannot stack '{}' {} under '{}' {}", s.name,
             to_string(s.shape), first, to_string(a.shape));
    rows += s.shape[0];
  }
  shape = {rows, a.shape[1]};
  return {a.offset, a.offset + numel_of(shape)};
}

void Arena::hold(const std::string& name, int64_t begin, int64_t end) {
  const ArenaSlot& s = slot(name);
  const int64_t row = numel_of(s.shape) / s.shape[0];
  LL_CHECK(0 <= begin && begin <= end && end <= s.shape[0], "'{}' has no rows [{}, {})", name, begin, end);
  held_.push_back({s.offset + begin * row, s.offset + end * row});
}

void Arena::drop_held_gradients() const {
  for (const Range& r : held_) grads_.slice_rows(r.begin, r.end).fill_zero();
}

Tensor Arena::value(const std::string& name) const {
  const ArenaSlot& s = slot(name);
  Tensor t = part(view_ ? view_ : values_, s.offset, s.shape);
  if (grads_) t.set_grad_buffer(part(grads_, s.offset, s.shape));
  return t;
}

Tensor Arena::master(const std::string& name) const {
  const ArenaSlot& s = slot(name);
  Tensor t = part(values(), s.offset, s.shape);
  if (grads_) t.set_grad_buffer(part(grads_, s.offset, s.shape));
  return t;
}

Tensor Arena::unrounded(const std::string& name) const {
  const ArenaSlot& s = slot(name);
  Tensor t = part(values_, s.offset, s.shape);
  if (grads_) t.set_grad_buffer(part(grads_, s.offset, s.shape));
  return t;
}

Tensor Arena::grad(const std::string& name) const {
  const ArenaSlot& s = slot(name);
  return part(grads_, s.offset, s.shape);
}

Tensor Arena::stacked(const std::string& first, int64_t count) const {
  Shape shape;
  const Range range = stack(first, count, shape);
  Tensor t = part(view_ ? view_ : values_, range.begin, shape);  // (sum of r, m)
  if (grads_) t.set_grad_buffer(part(grads_, range.begin, shape));
  return t;
}

void Arena::want_perturbation(Role role, bool narrow) {
  LL_CHECK(role == Role::lora_a || role == Role::lora_b, "only A and B are perturbed, not {}", name_of(role));
  Tensor& t = role == Role::lora_a ? perturbation_a_ : perturbation_b_;
  if (t) return;
  const PhaseScope phase(context().memory(), "optimizer");
  t = Tensor::zeros(context(), {range(role).size()}, narrow ? DType::bf16 : dtype());
}

Arena& Arena::want_side(const std::function<int64_t(const Adapter&)>& rank, bool learns) {
  if (side_) return *side_;
  std::vector<AdapterSpec> adapters(adapters_.begin(), adapters_.end());
  std::map<std::string, Shape> shapes;
  for (size_t k = 0; k < adapters.size(); ++k) {
    AdapterSpec& a = adapters[k];
    a.r = rank(adapters_[k]);
    shapes[a.a] = {a.r, a.m};
    shapes[a.b] = {a.n, a.r};
  }
  std::vector<ArenaSpec> specs;  // in this arena's order: those that read one input are adjacent there, too
  for (const ArenaSlot& s : slots_)
    if (const auto shape = shapes.find(s.name); shape != shapes.end()) specs.push_back({s.name, shape->second, s.role});
  const PhaseScope phase(context().memory(), "optimizer");
  side_ = std::make_unique<Arena>(context(), rounded() ? DType::bf16 : dtype(), specs, adapters, learns);
  return *side_;
}

const Tensor& Arena::perturbation(Role role) const {
  LL_CHECK(role == Role::lora_a || role == Role::lora_b, "only A and B are perturbed, not {}", name_of(role));
  return role == Role::lora_a ? perturbation_a_ : perturbation_b_;
}

Tensor Arena::perturbation(const std::string& name) const {
  const ArenaSlot& s = slot(name);
  const Tensor& array = perturbation(s.role);
  LL_CHECK(array.defined(), "'{}' has no perturbation: no method asked for one", name);
  return part(array, s.offset - range(s.role).begin, s.shape);
}

Tensor Arena::forward_perturbation(const std::string& name) const {
  const ArenaSlot& s = slot(name);
  const bool any = s.role == Role::lora_a || s.role == Role::lora_b;
  return perturbed_ && !view_ && any && perturbation(s.role) ? perturbation(name).to(dtype()) : Tensor();
}

Tensor Arena::forward_perturbation_stacked(const std::string& first, int64_t count) const {
  Shape shape;
  const Range range_of_stack = stack(first, count, shape);
  if (!perturbed_ || view_ || !perturbation_a_) return {};
  return part(perturbation_a_, range_of_stack.begin - range(Role::lora_a).begin, shape);
}

void Arena::refresh() const {
  if (side_) side_->refresh();
  if (!view_ || !stale_) return;
  const auto update = [&](int64_t begin, int64_t end, const Tensor& e) {
    if (begin == end) return;
    bf16* const y = view_.data<bf16>() + begin;
    const float* const x = values_.data<float>() + begin;
    if (e && e.dtype() == DType::bf16) {
      LL_LAUNCH_UNTYPED(values_, compute_view<bf16>, y, x, e.data<bf16>(), end - begin);
    } else {
      LL_LAUNCH_UNTYPED(values_, compute_view<float>, y, x, e.data<float>(), end - begin);
    }
  };
  const Range a = range(Role::lora_a), b = range(Role::lora_b);
  const Tensor none;
  if (perturbed_) {
    update(a.begin, a.end, perturbation_a_);
    update(b.begin, b.end, perturbation_b_);
    update(std::max(a.end, b.end), size(), none);
  } else {
    update(0, size(), none);
  }
  stale_ = false;
}

void Arena::require_centre(const char* what) const {
  LL_CHECK(!perturbed_, "{} must see the centre, but a perturbed view is open", what);
}

PerturbedView::PerturbedView(Arena& arena) {
  arena.require_centre("a new perturbed view");
  LL_CHECK(arena.perturbation_a_ || arena.perturbation_b_ || arena.side_ || arena.noise_ != nullptr,
           "a perturbed view of an arena without perturbations");
  arena.perturbed_ = true;
  arena.touch();
  arena_ = &arena;
}

PerturbedView::~PerturbedView() {
  if (arena_ == nullptr) return;
  arena_->perturbed_ = false;
  arena_->touch();
}

}  // namespace lowland::nn

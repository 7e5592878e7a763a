#include "nn/parameter.h"

#include <algorithm>

#include "engine/error.h"
#include "kernels/common/blocks.h"
#include "nn/init.h"

namespace lowland::nn {

namespace {

Tensor rows_of(const Tensor& whole, int64_t begin, int64_t end) {
  if (begin == 0 && end == whole.dim(0)) return whole;
  Tensor part = whole.slice_rows(begin, end);
  if (whole.requires_grad()) part.set_grad_buffer(whole.grad().slice_rows(begin, end));
  return part;
}

struct Run {
  int64_t begin = 0, end = 0;
  DType type = DType::f32;
};

std::vector<Run> runs_of(const Parameter& p, const ParameterSet::TypeOfRows& frozen) {
  std::vector<Run> runs;
  for (const NamedRows& r : p.rows) {
    const DType type = frozen(p, r);
    if (runs.empty() || runs.back().type != type) runs.push_back({r.begin, r.end, type});
    runs.back().end = r.end;
  }
  return runs;
}

bool are_in(const std::vector<Piece>& pieces, const std::vector<Run>& runs, const Context& context) {
  return std::equal(pieces.begin(), pieces.end(), runs.begin(), runs.end(), [&](const Piece& p, const Run& r) {
    return p.begin == r.begin && p.end == r.end && p.value.dtype() == r.type && &p.value.context() == &context;
  });
}

// True if they are all rows of a parameter of this shape.
bool cover(const std::vector<Piece>& pieces, const Shape& shape) {
  if (pieces.size() == 1) return pieces.front().value.shape() == shape;
  int64_t next = 0;
  for (const Piece& piece : pieces) {
    if (shape.size() != 2 || piece.begin != next || piece.value.shape() != Shape{piece.end - next, shape[1]})
      return false;
    next = piece.end;
  }
  return !pieces.empty() && next == shape[0];
}

int64_t bytes_of_row(DType type, int64_t columns) {
  return is_blocks(type) ? row_bytes(type, columns) : columns * static_cast<int64_t>(size_of(type));
}

const Parameter& whole(const Parameter& p) {
  LL_CHECK(!p.sharded, "{} is held in parts by several processes, and is wanted whole: leave --shard-base out", p.name);
  return p;
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

size_t Parameter::frozen_bytes() const {
  size_t bytes = 0;
  if (sharded) return bytes;
  for (const Piece& piece : pieces) bytes += piece.value.nbytes();
  return bytes;
}

Tensor Parameter::slice(int64_t begin, int64_t end) const { return rows_of(value, begin, end); }

Weight Parameter::weight(int64_t begin, int64_t end) const {
  if (value) return slice(begin, end);
  Weight w;
  for (const Piece& piece : pieces) {
    const int64_t first = std::max(begin, piece.begin), last = std::min(end, piece.end);
    if (first >= last) continue;
    Tensor& next = w.data ? w.below.emplace_back() : w.data;
    next = rows_of(piece.value, first - piece.begin, last - piece.begin);  // (last - first, M)
  }
  return w;
}

Tensor Parameter::stored(int64_t begin, int64_t end) const {
  if (master) return rows_of(master, begin, end);
  for (const Piece& piece : pieces)
    if (piece.begin <= begin && end <= piece.end) return rows_of(piece.value, begin - piece.begin, end - piece.begin);
  fail("rows [{}, {}) of {} do not lie in one piece", begin, end, name);
}

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
  p.block = block_;
  return p;
}

std::vector<std::pair<std::string, Tensor>> ParameterSet::named() const {
  touch();
  std::vector<std::pair<std::string, Tensor>> out;
  for (const auto& p : parameters_)
    for (const NamedRows& r : p->rows) out.emplace_back(r.name, whole(*p).stored(r.begin, r.end));
  return out;
}

void ParameterSet::fill(const std::function<void(const std::string&, const Tensor&)>& fill) {
  fill_each([&](Parameter& p) {
    for (const NamedRows& r : p.rows)
      if (!p.shared) fill(r.name, p.stored(r.begin, r.end));
  });
}

// The parameters of a block come one after the other: its buffer is filled whole, and then the next block's.
void ParameterSet::fill_each(const std::function<void(Parameter&)>& fill) {
  touch();
  int64_t open = -1;
  const auto leave = [&] {
    if (shards_ && open >= 0 && open < shards_->blocks()) shards_->keep(open);
  };
  for (const auto& p : parameters_) {
    if (p->block != open) {
      leave();
      open = p->block;
    }
    fill(*p);
  }
  leave();
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
    if (!p->trainable) out.emplace(p->name, p->pieces);
  return out;
}

void ParameterSet::share(const FrozenWeights& weights) {
  for (const auto& p : parameters_) {
    const auto at = weights.find(p->name);
    if (p->trainable || at == weights.end() || !cover(at->second, p->shape)) continue;
    p->pieces = at->second;
    p->shared = true;
  }
}

Tensor ParameterSet::find(const std::string& name) const {
  touch();
  for (const auto& p : parameters_)
    for (const NamedRows& r : p->rows)
      if (r.name == name) return whole(*p).stored(r.begin, r.end);
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

void ParameterSet::materialise(Context& context, const TypeOfRows& frozen, Arena* arena) {
  const PhaseScope phase(context.memory(), "weights");
  arena_ = arena;
  std::vector<size_t> offsets;  // of pieces of shards in their blocks, in their order
  for (const auto& p : parameters_) {
    p->sharded = shards_ && p->block >= 0 && p->shape.size() == 2 && !p->trainable && !p->shared;
    if (!p->sharded) continue;
    for (const Run& run : runs_of(*p, frozen))
      offsets.push_back(shards_->add(p->block, (run.end - run.begin) * bytes_of_row(run.type, p->shape[1])));
  }
  if (shards_) shards_->materialise(context);
  auto offset = offsets.begin();
  for (const auto& p : parameters_) {
    if (p->trainable) {
      p->shared = false;
      p->value = arena->value(p->name);
      p->master = arena->master(p->name);
      continue;
    }
    const std::vector<Run> runs = runs_of(*p, frozen);
    p->shared = p->shared && are_in(p->pieces, runs, context);
    if (!p->shared) p->pieces.clear();
    for (const Run& run : runs) {
      if (p->shared) break;
      Shape shape = p->shape;
      if (!shape.empty()) shape[0] = run.end - run.begin;
      Tensor value = p->sharded ? shards_->place(p->block, *offset++, std::move(shape), run.type)
                                : Tensor::empty(context, std::move(shape), run.type);
      p->pieces.push_back({run.begin, run.end, std::move(value)});
    }
    if (p->pieces.size() == 1) p->value = p->master = p->pieces.front().value;
  }
}

void ParameterSet::initialise(uint64_t seed, double std, const std::function<bool(const std::string&)>& which) {
  touch();
  const auto draw = [&](const Parameter& p) {
    for (const NamedRows& r : p.rows) {
      if (!which(r.name)) continue;
      const Tensor stored = p.stored(r.begin, r.end);
      const Tensor t = is_blocks(stored.dtype()) ? Tensor::empty(stored.context(), stored.shape(), DType::f32) : stored;
      switch (p.init) {
        case Init::zeros: init_constant(t, 0.0); break;
        case Init::ones: init_constant(t, 1.0); break;
        case Init::normal: init_normal(t, std, init_key(seed, r.name)); break;
      }
      if (is_blocks(stored.dtype())) stored.copy_from(t);
    }
  };
  size_t sharded = 0, chosen = 0;
  for (const auto& p : parameters_)
    for (const NamedRows& r : p->rows)
      if (p->sharded) ++sharded, chosen += which(r.name) ? 1 : 0;
  LL_CHECK(chosen == 0 || chosen == sharded, "of a base held in parts all matrices are drawn anew, or none");
  if (chosen > 0) return fill_each(draw);
  for (const auto& p : parameters_)
    if (!p->sharded) draw(*p);
}

}  // namespace lowland::nn

#include "optim/segments.h"

#include "engine/launch.h"
#include "optim/table.h"

namespace lowland::optim {
namespace {

using nn::Role;

std::vector<SamSegment> segments_of(nn::Arena& arena, bool joint) {
  std::vector<SamSegment> segments;
  for (const Role role : {Role::lora_a, Role::lora_b}) {
    arena.want_perturbation(role);
    const nn::Range range = arena.range(role);
    const int64_t of_b = role == Role::lora_b ? 1 : 0;
    if (joint) segments.push_back({.begin = range.begin, .size = range.size(), .at = 0, .of_b = of_b});
    if (joint) continue;
    for (const nn::ArenaSlot& slot : arena.slots())
      if (slot.role == role)
        segments.push_back(
            {.begin = slot.offset, .size = numel_of(slot.shape), .at = slot.offset - range.begin, .of_b = of_b});
  }
  return segments;
}

}  // namespace

Segments::Segments(Context& context, std::vector<SamSegment> segments) {
  for (SamSegment& s : segments) {
    s.block = table_.blocks;
    table_.blocks += (s.size + kSamBlock - 1) / kSamBlock;
  }
  table_.count = segments.size();
  rows_ = table_tensor(context, segments);
  table_.segments = static_cast<const SamSegment*>(rows_.raw());
  squares_ = Tensor::zeros(context, {table_.count}, DType::f64);
}

Segments pairs_of(const nn::Arena& arena) {
  std::vector<SamSegment> segments;
  for (const nn::Adapter& d : arena.adapters()) {
    segments.push_back({.begin = d.a_offset, .size = d.r * d.m});
    segments.push_back({.begin = d.b_offset, .size = d.n * d.r, .of_b = 1});
  }
  return Segments(arena.context(), segments);
}

VectorPerturbation::VectorPerturbation(nn::Arena& arena, bool joint, double along)
    : arena_(arena), joint_(joint), along_(along), segments_(arena.context(), segments_of(arena, joint)) {}

void VectorPerturbation::update(const Tensor& x, const StepState& s) const {
  LL_LAUNCH_MASTER(x, sam_perturbation, arena_.perturbation(Role::lora_a).data<T>(),
                   arena_.perturbation(Role::lora_b).data<T>(), segments_.squares(), x.data<T>(), segments_.table(),
                   joint_, along_, s.scalars());
}

}  // namespace lowland::optim

#include "optim/lora_sam.h"

#include "engine/launch.h"
#include "optim/table.h"

namespace lowland::optim {

using nn::Role;

LoraSam::LoraSam(const MethodRow& row, nn::Arena& arena, const MethodOptions& options)
    : TwoPassMethod(row, arena, options), joint_(options.word("norm") == "joint") {
  std::vector<SamSegment> segments;
  for (const Role role : {Role::lora_a, Role::lora_b}) {
    arena.want_perturbation(role);
    const nn::Range range = arena.range(role);
    const int64_t of_b = role == Role::lora_b ? 1 : 0;
    if (joint_) segments.push_back({.begin = range.begin, .size = range.size(), .at = 0, .of_b = of_b});
    if (joint_) continue;
    for (const nn::ArenaSlot& slot : arena.slots())
      if (slot.role == role)
        segments.push_back(
            {.begin = slot.offset, .size = numel_of(slot.shape), .at = slot.offset - range.begin, .of_b = of_b});
  }
  for (SamSegment& s : segments) {
    s.block = table_.blocks;
    table_.blocks += (s.size + kSamBlock - 1) / kSamBlock;
  }
  table_.count = segments.size();
  segments_ = table_tensor(arena.context(), segments);
  table_.segments = static_cast<const SamSegment*>(segments_.raw());
  squares_ = Tensor::zeros(arena.context(), {table_.count}, DType::f64);
}

void LoraSam::perturb() {
  LL_LAUNCH_MASTER(arena_.grads(), sam_perturbation, arena_.perturbation(Role::lora_a).data<T>(),
                   arena_.perturbation(Role::lora_b).data<T>(), squares_.data<double>(), arena_.grads().data<T>(),
                   table_, joint_, scalars());
}

}  // namespace lowland::optim

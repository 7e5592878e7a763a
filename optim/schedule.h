// Schedules of the learning rate and of the perturbation radius rho. Steps t count from 1; T is the number of steps.
//
//   learning rate   w = warm-up steps, i = t - 1 (the numbering of transformers' get_*_schedule_with_warmup)
//     i < w         lr0 i / max(1, w)
//     linear        lr0 max(0, (T - i) / max(1, T - w))
//     cosine        lr0 max(0, (1 + cos(pi (i - w) / max(1, T - w))) / 2)
//     constant      lr0
//   rho             constant rho0   linear rho0 (1 - i / T)   cosine rho0 (1 + cos(pi i / T)) / 2
//                   inv-sqrt rho0 / sqrt(t)                              (Theorem 2 of arXiv 2508.00522)
#pragma once
#include <cstdint>
#include <string>

namespace lowland::optim {

enum class LrKind : uint8_t { linear, cosine, constant };
enum class RhoKind : uint8_t { constant, linear, cosine, inv_sqrt };

// "linear", "cosine", "constant" (also "constant_with_warmup"). Throws Error that lists the known names.
LrKind parse_lr_kind(const std::string& name);
// "constant", "linear", "cosine", "inv-sqrt" (also "inv_sqrt").
RhoKind parse_rho_kind(const std::string& name);

struct LrSchedule {
  LrKind kind = LrKind::linear;
  double lr = 0;
  int64_t warmup_steps = 0, total_steps = 0;
  double at(int64_t t) const;
};

struct RhoSchedule {
  RhoKind kind = RhoKind::constant;
  double rho = 0.05;
  int64_t total_steps = 0;
  double at(int64_t t) const;
};

// The steps that a warm-up ratio stands for: rounded up, as transformers' Trainer does.
int64_t warmup_steps(double ratio, int64_t total_steps);

}  // namespace lowland::optim

// Schedules of the learning rate and of the perturbation radius rho. Steps t count from 1; T is the number of steps.
//
//   learning rate   w = warm-up steps, i = t - 1 (the numbering and the formulas of transformers' get_*_schedule)
//     i < w         lr0 i / max(1, w)
//     linear        lr0 max(0, (T - i) / max(1, T - w))
//     cosine        lr0 max(0, (1 + cos(pi p)) / 2),  p = (i - w) / max(1, T - w)
//     cosine_with_restarts   lr0 (1 + cos(pi (n p mod 1))) / 2 for n cycles, 0 from p = 1 on
//     polynomial    end + (lr0 - end) (1 - p),  end = min(lr0, 1e-7)
//     constant      lr0
//     inverse_sqrt  lr0 sqrt(s / (i - w + s)),  s = w, or 10,000 without a warm-up
//   rho             constant rho0   linear rho0 (1 - i / T)   cosine rho0 (1 + cos(pi i / T)) / 2
//                   inv-sqrt rho0 / sqrt(t)                              (Theorem 2 of arXiv 2508.00522)
//                   le-sam the cosine, which the step divides by ||g|| up to a most: Method
//                   rising rho0 (1 - cos(pi t / T)) / 2                  of the random perturbation alone
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lowland::optim {

enum class LrKind : uint8_t { linear, cosine, cosine_with_restarts, polynomial, constant, inverse_sqrt };
enum class RhoKind : uint8_t { constant, linear, cosine, inv_sqrt, le_sam, rising };

const std::vector<std::string>& lr_kind_names();
// By its name; "constant_with_warmup" is constant, too. Throws Error that lists the known names.
LrKind parse_lr_kind(const std::string& name);
// "constant", "linear", "cosine", "inv-sqrt", "le-sam" (also with underscores).
RhoKind parse_rho_kind(const std::string& name);

struct LrSchedule {
  LrKind kind = LrKind::linear;
  double lr = 0;
  int64_t warmup_steps = 0, total_steps = 0;
  int64_t cycles = 1;  // of cosine_with_restarts
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

#include "optim/schedule.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"

namespace lowland::optim {
namespace {

double half_cosine(double progress) { return 0.5 * (1 + std::cos(M_PI * progress)); }
double real(int64_t n) { return static_cast<double>(n); }

}  // namespace

const std::vector<std::string>& lr_kind_names() {
  static const std::vector<std::string> names = {
      "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt"};
  return names;
}

LrKind parse_lr_kind(const std::string& name) {
  constexpr LrKind kKinds[] = {LrKind::linear,   LrKind::cosine,   LrKind::cosine_with_restarts, LrKind::polynomial,
                               LrKind::constant, LrKind::constant, LrKind::inverse_sqrt};
  const std::vector<std::string>& names = lr_kind_names();
  const auto at = std::find(names.begin(), names.end(), name);
  LL_CHECK(at != names.end(), "unknown learning-rate schedule '{}': one of {}", name, fmt::join(names, ", "));
  return kKinds[at - names.begin()];
}

RhoKind parse_rho_kind(const std::string& name) {
  if (name == "constant") return RhoKind::constant;
  if (name == "linear") return RhoKind::linear;
  if (name == "cosine") return RhoKind::cosine;
  if (name == "inv-sqrt" || name == "inv_sqrt") return RhoKind::inv_sqrt;
  if (name == "le-sam" || name == "le_sam") return RhoKind::le_sam;
  fail("unknown rho schedule '{}': one of constant, linear, cosine, inv-sqrt, le-sam", name);
}

double LrSchedule::at(int64_t t) const {
  const int64_t i = t - 1, one = 1;
  if (i < warmup_steps) return lr * (real(i) / real(std::max(one, warmup_steps)));
  const double rest = real(std::max(one, total_steps - warmup_steps)), p = real(i - warmup_steps) / rest;
  switch (kind) {
    case LrKind::linear: return lr * std::max(0.0, real(total_steps - i) / rest);
    case LrKind::cosine: return lr * std::max(0.0, half_cosine(p));
    case LrKind::cosine_with_restarts: return p >= 1 ? 0 : lr * half_cosine(std::fmod(real(cycles) * p, 1.0));
    case LrKind::polynomial: {
      const double end = std::min(lr, 1e-7);
      return end + (lr - end) * std::max(0.0, 1 - p);
    }
    case LrKind::constant: return lr;
    case LrKind::inverse_sqrt: {
      const double scale = warmup_steps > 0 ? real(warmup_steps) : 10000;
      return lr * std::sqrt(scale / (real(i - warmup_steps) + scale));
    }
  }
  return lr;
}

double RhoSchedule::at(int64_t t) const {
  const double progress = real(t - 1) / real(std::max<int64_t>(1, total_steps));
  switch (kind) {
    case RhoKind::constant: return rho;
    case RhoKind::linear: return rho * (1 - progress);
    case RhoKind::cosine:
    case RhoKind::le_sam: return rho * half_cosine(progress);
    case RhoKind::inv_sqrt: return rho / std::sqrt(real(t));
    case RhoKind::rising: return rho * (1 - half_cosine(real(t) / real(std::max<int64_t>(1, total_steps))));
  }
  return rho;
}

int64_t warmup_steps(double ratio, int64_t total_steps) {
  return static_cast<int64_t>(std::ceil(real(total_steps) * ratio));
}

}  // namespace lowland::optim

#include "kernels/mgpo.h"

#include "kernels/common/mgpo_rule.h"
#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {

void mgpo_track(Ctx&, double* gbar, const double* norm2, int64_t count, double keep, const StepScalars* s) {
  if (s->finite == 0) return;
  for (int64_t k = 0; k < count; ++k) gbar[k] = mgpo_average(gbar[k], norm2[k], keep, *s);
}

template <class T>
void mgpo_pairs(Ctx& ctx, T* pairs, const T* values, const T* m, const double* norm2, const double* gbar,
                const EflatTable& from, const EflatTable& to, const StepScalars* s) {
  for (int64_t k = 0; k < from.count; ++k) {
    const EflatAdapter &d = from.adapters[k], &p = to.adapters[k];
    const T f = static_cast<T>(mgpo_factor(norm2[k], gbar[k], *s));
    const int64_t half = d.r * d.m, r = d.r;
    T* a = pairs + p.a;
    parallel_for(ctx, half, 16384, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) a[i] = values[d.a + i];
      for (int64_t i = begin; i < end; ++i) a[half + i] = m[d.a + i];
    });
    parallel_for(ctx, d.n, row_grain(2 * r), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        T* row = pairs + p.b + n * 2 * r;
        for (int64_t j = 0; j < r; ++j) row[j] = f * m[d.b + n * r + j];
        for (int64_t j = 0; j < r; ++j) row[r + j] = f * values[d.b + n * r + j];
      }
    });
  }
}

LL_INSTANTIATE_MASTER(mgpo_pairs);

}  // namespace lowland::LL_CPU

#include "kernels/bi_lora.h"

#include <cmath>

#include "kernels/cpu/map.h"

namespace lowland::LL_CPU {
namespace {

constexpr int64_t kGrain = 16384;

}  // namespace

template <class T>
void bi_lora_step(Ctx& ctx, T* x, double* norm2, const T* g, int64_t n, const EflatTable& table, double rate,
                  const StepScalars* s) {
  if (s->finite == 0) return;
  map_elements(
      ctx, kGrain, x, n, [by = static_cast<T>(rate * s->lr)](T xi, T gi) { return xi + by * gi; },
      static_cast<const T*>(x), g);
  adapter_norms(ctx, norm2, x, static_cast<const T*>(nullptr), table);
  double c = 0;
  for (int64_t k = 0; k < table.count; ++k) c += norm2[k];
  c = std::sqrt(c);
  if (!(c > s->rho)) return;
  map_elements(
      ctx, kGrain, x, n, [by = static_cast<T>(std::sqrt(s->rho / c))](T xi) { return by * xi; },
      static_cast<const T*>(x));
}

LL_INSTANTIATE_MASTER(bi_lora_step);

}  // namespace lowland::LL_CPU

#include "kernels/balance.h"

#include "kernels/common/balance_rule.h"
#include "kernels/cpu/map.h"
#include "kernels/sum_squares.h"

namespace lowland::LL_CPU {

template <class T>
void balance(Ctx& ctx, T* values, double* squares, const T* grads, const SamTable& table, bool by_gradient,
             const StepScalars* s) {
  if (s->finite == 0) return;
  for (int64_t k = 0; k < table.count; ++k) {
    const SamSegment& d = table.segments[k];
    sum_squares(ctx, squares + k, (by_gradient ? grads : static_cast<const T*>(values)) + d.begin, d.size);
  }
  for (int64_t k = 0; k < table.count; ++k) {
    const SamSegment& d = table.segments[k];
    const bool of_b = k % 2 == 1;
    const double factor = balance_factor(squares[k - of_b], squares[k - of_b + 1], of_b, by_gradient, *s);
    T* x = values + d.begin;
    map_elements(
        ctx, 16384, x, d.size, [by = static_cast<T>(factor)](T xi) { return by * xi; }, static_cast<const T*>(x));
  }
}

LL_INSTANTIATE_MASTER(balance);

}  // namespace lowland::LL_CPU

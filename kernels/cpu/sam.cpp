#include "kernels/sam.h"

#include <cmath>

#include "kernels/common/parallel.h"
#include "kernels/sum_squares.h"

namespace lowland::LL_CPU {

template <class T>
void sam_perturbation(Ctx& ctx, T* e_a, T* e_b, double* squares, const T* g, const SamTable& table, bool joint,
                      double along, const StepScalars* s) {
  if (s->finite == 0) return;
  double total = 0;
  for (int64_t k = 0; k < table.count; ++k) {
    sum_squares(ctx, squares + k, g + table.segments[k].begin, table.segments[k].size);
    total += squares[k];
  }
  for (int64_t k = 0; k < table.count; ++k) {
    const SamSegment& d = table.segments[k];
    const double norm = std::sqrt(joint ? total : squares[k]);
    const T factor = static_cast<T>(norm > 0 ? along * s->rho / norm : 0.0);
    const T* from = g + d.begin;
    T* to = (d.of_b != 0 ? e_b : e_a) + d.at;
    parallel_for(ctx, d.size, 16384, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) to[i] = factor * from[i];
    });
  }
}

LL_INSTANTIATE_MASTER(sam_perturbation);

}  // namespace lowland::LL_CPU

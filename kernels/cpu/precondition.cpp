#include "kernels/precondition.h"

#include "kernels/common/parallel.h"
#include "kernels/common/small_matrix.h"
#include "kernels/cpu/gram_sums.h"

namespace lowland::LL_CPU {
namespace {

constexpr int64_t kColumns = 64;  // of G_A at a time

// P = (K + d I)^-1. K is lost; V: r^2 doubles.
void damped_inverse(double* P, double* K, double* V, int64_t r) {
  symmetric_eigen(K, V, r);
  double largest = 0;
  for (int64_t i = 0; i < r; ++i) largest = largest > K[i * r + i] ? largest : K[i * r + i];
  for (int64_t i = 0; i < r * r; ++i) P[i] = largest > 0 || i / r != i % r ? 0 : 1;
  for (int64_t k = 0; k < r && largest > 0; ++k) {
    const double *v = V + k * r, by = 1 / (K[k * r + k] + kPreconditionDamping * largest);
    for (int64_t i = 0; i < r; ++i)
      for (int64_t j = 0; j < r; ++j) P[i * r + j] += by * v[i] * v[j];
  }
}

// work: 4 r^2 + r kColumns doubles.
template <class T> void one_adapter(const EflatAdapter& d, T* grads, const T* values, double* work) {
  const int64_t r = d.r, rr = r * r;
  double *K = work, *V = work + rr, *PA = work + 2 * rr, *PB = work + 3 * rr, *row = work + 4 * rr;
  gram_rows_of(K, values + d.a, values + d.a, r, d.m);
  damped_inverse(PA, K, V, r);
  for (int64_t i = 0; i < rr; ++i) K[i] = 0;
  gram_columns_into(K, values + d.b, values + d.b, d.n, r);
  damped_inverse(PB, K, V, r);
  for (int64_t n = 0; n < d.n; ++n) {
    T* g = grads + d.b + n * r;
    for (int64_t j = 0; j < r; ++j) row[j] = 0;
    for (int64_t i = 0; i < r; ++i)
      for (int64_t j = 0; j < r; ++j) row[j] += static_cast<double>(g[i]) * PA[i * r + j];
    for (int64_t j = 0; j < r; ++j) g[j] = static_cast<T>(row[j]);
  }
  for (int64_t c = 0; c < d.m; c += kColumns) {
    const int64_t columns = c + kColumns < d.m ? kColumns : d.m - c;
    T* g = grads + d.a + c;
    for (int64_t i = 0; i < r * kColumns; ++i) row[i] = 0;
    for (int64_t i = 0; i < r; ++i)
      for (int64_t j = 0; j < r; ++j)
        for (int64_t k = 0; k < columns; ++k)
          row[i * kColumns + k] += PB[i * r + j] * static_cast<double>(g[j * d.m + k]);
    for (int64_t i = 0; i < r; ++i)
      for (int64_t k = 0; k < columns; ++k) g[i * d.m + k] = static_cast<T>(row[i * kColumns + k]);
  }
}

}  // namespace

template <class T>
void precondition(Ctx& ctx, T* grads, const T* values, int64_t /*n*/, const EflatTable& table, const StepScalars* s) {
  const int64_t count = table.count, slots = count < ctx.threads ? count : ctx.threads;
  if (count == 0 || s->finite == 0) return;
  const int64_t size = table.most_r * (4 * table.most_r + kColumns);
  Scratch scratch(ctx);
  double* work = scratch.array<double>(slots * size);
  parallel_for(ctx, slots, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot)
      for (int64_t k = slot; k < count; k += slots) one_adapter(table.adapters[k], grads, values, work + slot * size);
  });
}

LL_INSTANTIATE_MASTER(precondition);

}  // namespace lowland::LL_CPU

#include "kernels/adapter_norms.h"

#include "kernels/common/parallel.h"
#include "kernels/common/small_matrix.h"
#include "kernels/cpu/gram_sums.h"

namespace lowland::LL_CPU {
namespace {

// work: 2 r^2 doubles.
template <class T> double product_norm(const EflatAdapter& d, const T* values, double* work) {
  const int64_t r = d.r, rr = r * r;
  double *ka = work, *kb = work + rr;
  gram_rows_of(ka, values + d.a, values + d.a, r, d.m);
  for (int64_t i = 0; i < rr; ++i) kb[i] = 0;
  gram_columns_into(kb, values + d.b, values + d.b, d.n, r);
  return d.scale * d.scale * trace_of_product(kb, ka, r);
}

template <class T> double tangent_norm(const EflatAdapter& d, const T* values, const T* x, double* work) {
  const int64_t r = d.r, rr = r * r;
  const T *A = values + d.a, *B = values + d.b, *XA = x + d.a, *XB = x + d.b;
  double *rows = work, *columns = work + rr;
  const auto add = [&](const T* a1, const T* a2, const T* b1, const T* b2) {  // tr((b1^T b2)(a1 a2^T))
    gram_rows_of(rows, a1, a2, r, d.m);
    for (int64_t i = 0; i < rr; ++i) columns[i] = 0;
    gram_columns_into(columns, b1, b2, d.n, r);
    return trace_of_product(columns, rows, r);
  };
  return d.scale * d.scale * (add(A, A, XB, XB) + 2 * add(XA, A, XB, B) + add(XA, XA, B, B));
}

}  // namespace

template <class T> void adapter_norms(Ctx& ctx, double* out, const T* values, const T* x, const EflatTable& table) {
  const int64_t count = table.count, slots = count < ctx.threads ? count : ctx.threads;
  if (count == 0) return;
  const int64_t size = 2 * table.most_r * table.most_r;
  Scratch scratch(ctx);
  double* work = scratch.array<double>(slots * size);
  parallel_for(ctx, slots, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot)
      for (int64_t k = slot; k < count; k += slots) {
        const EflatAdapter& d = table.adapters[k];
        double* own = work + slot * size;
        out[k] = x == nullptr ? product_norm(d, values, own) : tangent_norm(d, values, x, own);
      }
  });
}

LL_INSTANTIATE_MASTER(adapter_norms);

}  // namespace lowland::LL_CPU

#include "kernels/eflat.h"

#include <cmath>
#include <type_traits>

#include "kernels/common/parallel.h"
#include "kernels/common/small_matrix.h"
#include "kernels/cpu/gram_sums.h"

namespace lowland::LL_CPU {
namespace {

constexpr int64_t kRows = 32;  // rows of B + e held at a time

// A number as the forward read it.
template <class T> double as_read(T x, const EflatOptions& o) {
  if (!o.rounded_view) return static_cast<double>(x);
  return static_cast<double>(static_cast<float>(bf16(static_cast<float>(x))));
}

// B + e of the masters' type, as the forward's sum.
template <class T, class E> T shifted(T b, E e) {
  if constexpr (std::is_same_v<E, bf16>)
    return b + static_cast<T>(static_cast<float>(e));
  else
    return b + e;
}

// Where one adapter's r x r results lie between the two passes.
template <class T> struct Solved {
  double* for_grad;  // K_A^+               multiplies G_B
  double* for_b;     // K_B^+ C K_A^+       multiplies B
};

// A, or what the forward read of it: a copy in `rounded`.
template <class T> const T* a_as_read(const EflatAdapter& d, const T* values, const EflatOptions& o, T* rounded) {
  if (!o.rounded_view) return values + d.a;
  for (int64_t i = 0; i < d.r * d.m; ++i) rounded[i] = static_cast<T>(as_read(values[d.a + i], o));
  return rounded;
}

// Pass 1: the Gram matrices, ||g||^2 and the two r x r factors of E_B. work: 8 r^2 doubles; rows: (2 kRows, r).
template <class T, class E>
double solve(const EflatAdapter& d, const T* values, const T* grads, const E* e, const EflatOptions& o, Solved<T> out,
             double* work, double* rows, T* rounded) {
  const int64_t r = d.r, rr = r * r;
  const T *A = a_as_read(d, values, o, rounded), *B = values + d.b, *GA = grads + d.a, *GB = grads + d.b;
  double *K = work, *C = work + rr, *gbb = work + 2 * rr, *kb = work + 3 * rr, *t1 = work + 4 * rr, *t2 = work + 5 * rr;
  double* scratch = work + 6 * rr;  // 2 r^2, for the eigenvectors
  double *ka_pinv = out.for_grad, *kb_pinv = t2;

  gram_rows_of(K, A, A, r, d.m);  // K_A
  pseudo_inverse(ka_pinv, K, r, o.rcond * o.rcond, scratch);
  gram_rows_of(C, GA, A, r, d.m);

  for (int64_t i = 0; i < rr; ++i) kb[i] = gbb[i] = K[i] = 0;
  for (int64_t n = 0; n < d.n; n += kRows) {
    const int64_t count = n + kRows < d.n ? kRows : d.n - n;
    double *b = rows, *g = rows + kRows * r;  // what the forward read, and its gradient
    const T* from = B + n * r;
    const E* shift = e + d.e + n * r;
    for (int64_t i = 0; i < count * r; ++i) {
      b[i] = as_read(o.grads_at_perturbed_b ? shifted(from[i], shift[i]) : from[i], o);
      g[i] = static_cast<double>(GB[n * r + i]);
    }
    gram_columns_into(kb, b, b, count, r);
    gram_columns_into(gbb, g, b, count, r);
    gram_columns_into(K, g, g, count, r);  // G_B^T G_B
  }
  double norm2 = trace_of_product(ka_pinv, K, r);
  pseudo_inverse(kb_pinv, kb, r, o.rcond * o.rcond, scratch);
  small_product(t1, kb_pinv, C, r);          // K_B^+ C
  small_product(out.for_b, t1, ka_pinv, r);  // K_B^+ C K_A^+
  norm2 += 2 * trace_of_product(gbb, out.for_b, r);
  gram_rows_of(K, GA, GA, r, d.m);
  norm2 += trace_of_product(kb_pinv, K, r);
  return norm2 / (4 * d.scale * d.scale);
}

// Pass 2 for rows [begin, end): e <- (1 - blend) e + blend factor (G_B K_A^+ + B K_B^+ C K_A^+). row: r doubles.
template <class T, class E>
void blend_rows(const EflatAdapter& d, const T* values, const T* grads, E* e, const EflatOptions& o, Solved<T> x,
                double blend, double factor, int64_t begin, int64_t end, double* row) {
  const int64_t r = d.r;
  const double add = blend * factor, keep = 1 - blend;
  for (int64_t n = begin; n < end; ++n) {
    const T *b = values + d.b + n * r, *g = grads + d.b + n * r;
    E* out = e + d.e + n * r;
    for (int64_t j = 0; j < r; ++j) row[j] = 0;
    if (factor != 0) {  // nothing of a matrix that may be NaN is touched
      for (int64_t i = 0; i < r; ++i) {
        const double gi = static_cast<double>(g[i]);
        const double bi = as_read(o.grads_at_perturbed_b ? shifted(b[i], out[i]) : b[i], o);
        const double *mg = x.for_grad + i * r, *mb = x.for_b + i * r;
#pragma omp simd
        for (int64_t j = 0; j < r; ++j) row[j] += gi * mg[j] + bi * mb[j];
      }
    }
    if (blend == 1) {
      for (int64_t j = 0; j < r; ++j) out[j] = E(static_cast<T>(add * row[j]));
    } else {
      for (int64_t j = 0; j < r; ++j)
        out[j] = E(static_cast<T>(keep * static_cast<double>(shifted(T(0), out[j])) + add * row[j]));
    }
  }
}

template <class T, class E>
void perturb(Ctx& ctx, E* e, double* g_norm, const T* values, const T* grads, const EflatTable& table,
             const EflatOptions& o, const StepScalars* s) {
  const EflatAdapter* adapters = table.adapters;
  const int64_t count = table.count, most = table.most_r;
  if (count == 0 || s->finite == 0) return;
  const double blend = s->t <= 1 ? 1.0 : o.beta;
  int64_t solved = 0, most_a = 0;
  for (int64_t k = 0; k < count; ++k) {
    solved += 2 * adapters[k].r * adapters[k].r;
    most_a = adapters[k].r * adapters[k].m > most_a ? adapters[k].r * adapters[k].m : most_a;
  }
  const int64_t slots = count < ctx.threads ? count : ctx.threads, per_slot = 8 * most * most;
  Scratch scratch(ctx);
  double* solutions = scratch.array<double>(solved);
  double* factors = scratch.array<double>(count);
  double* work = scratch.array<double>(slots * per_slot);
  double* rows = scratch.array<double>(slots * 2 * kRows * most);
  const int64_t rounded_size = o.rounded_view ? most_a : 0;
  T* rounded = scratch.array<T>(slots * rounded_size);
  const auto solution = [&](int64_t which) {
    double* at = solutions;
    for (int64_t k = 0; k < which; ++k) at += 2 * adapters[k].r * adapters[k].r;
    return Solved<T>{at, at + adapters[which].r * adapters[which].r};
  };
  // An adapter is one thread's, and each thread takes every slots-th.
  parallel_for(ctx, slots, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot)
      for (int64_t k = slot; k < count; k += slots)
        g_norm[k] = solve(adapters[k], values, grads, e, o, solution(k), work + slot * per_slot,
                          rows + slot * 2 * kRows * most, rounded + slot * rounded_size);
  });
  double total = 0;
  for (int64_t k = 0; k < count; ++k) total += g_norm[k];
  int64_t blocks = 0;
  for (int64_t k = 0; k < count; ++k) {
    const EflatAdapter& d = adapters[k];
    const double norm2 = o.global_norm ? total : g_norm[k];
    const bool usable = norm2 > 0 && std::isfinite(norm2);
    const double rho = o.radius2 == nullptr ? s->rho : s->rho * std::sqrt(o.radius2[k]);
    factors[k] = usable ? rho / (2 * d.scale * d.scale * std::sqrt(norm2)) : 0.0;
    g_norm[k] = std::sqrt(g_norm[k] > 0 ? g_norm[k] : 0.0);
    blocks += (d.n + kRows - 1) / kRows;
  }
  // The blocks of rows of all B, one after another, in equal shares: one parallel region for everything.
  parallel_for(ctx, slots, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot) {
      int64_t from = blocks * slot / slots, upto = blocks * (slot + 1) / slots;
      for (int64_t k = 0; k < count && upto > 0; ++k) {
        const EflatAdapter& d = adapters[k];
        const int64_t own = (d.n + kRows - 1) / kRows;
        if (from < own) {
          const int64_t first = (from > 0 ? from : 0) * kRows, last = (upto < own ? upto : own) * kRows;
          blend_rows(d, values, grads, e, o, solution(k), blend, factors[k], first, last < d.n ? last : d.n,
                     work + slot * per_slot);
        }
        from -= own;
        upto -= own;
      }
    }
  });
}

}  // namespace

template <class T>
void eflat_perturbation(Ctx& ctx, T* e, double* g_norm, const T* values, const T* grads, const EflatTable& table,
                        const EflatOptions& o, const StepScalars* s) {
  perturb(ctx, e, g_norm, values, grads, table, o, s);
}

void eflat_perturbation_rounded(Ctx& ctx, bf16* e, double* g_norm, const float* values, const float* grads,
                                const EflatTable& table, const EflatOptions& o, const StepScalars* s) {
  perturb(ctx, e, g_norm, values, grads, table, o, s);
}

LL_INSTANTIATE_MASTER(eflat_perturbation);

}  // namespace lowland::LL_CPU

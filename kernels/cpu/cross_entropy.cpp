#include "kernels/cross_entropy.h"

#include <cmath>
#include <type_traits>

#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"
#include "kernels/cpu/vec_math.h"

namespace lowland::LL_CPU {
namespace {

constexpr int64_t kRun = 1024;

struct RowSums {
  double lse, mean;  // log sum exp, mean of the logits
};

template <class T> RowSums row_sums(const T* x, int64_t V) {
  using A = acc_t<T>;
  A top = wide(x[0]);
#pragma omp simd reduction(max : top)
  for (int64_t v = 0; v < V; ++v) top = wide(x[v]) > top ? wide(x[v]) : top;
  double weight = 0, total = 0;
  for (int64_t begin = 0; begin < V; begin += kRun) {
    const int64_t end = begin + kRun < V ? begin + kRun : V;
    A part = 0, sum = 0;
#pragma omp simd reduction(+ : part, sum)
    for (int64_t v = begin; v < end; ++v) {
      part += vexp(wide(x[v]) - top);
      sum += wide(x[v]);
    }
    weight += static_cast<double>(part);
    total += static_cast<double>(sum);
  }
  return {static_cast<double>(top) + std::log(weight), total / static_cast<double>(V)};
}

}  // namespace

template <class T>
void cross_entropy_forward(Ctx& ctx, acc_t<T>* loss, acc_t<T>* lse, const T* x, const int32_t* target,
                           const CrossEntropyShape& s) {
  const double e = s.label_smoothing;
  Scratch scratch(ctx);
  double* row_loss = scratch.array<double>(s.N + 1);
  parallel_for(ctx, s.N, row_grain(s.V), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      row_loss[n] = 0;
      lse[n] = acc_t<T>(0);
      if (target[n] == s.ignore_index) continue;
      const RowSums sums = row_sums(x + n * s.V, s.V);
      lse[n] = static_cast<acc_t<T>>(sums.lse);
      row_loss[n] = (1 - e) * (sums.lse - real(x[n * s.V + target[n]]));
      if (e > 0) row_loss[n] += e * (sums.lse - sums.mean);
    }
  });
  double total = 0;
  for (int64_t n = 0; n < s.N; ++n) total += row_loss[n];
  *loss = static_cast<acc_t<T>>(s.scale * total);
}

template <class T>
void cross_entropy_backward(Ctx& ctx, T* dx, const acc_t<T>* dloss, const T* x, const int32_t* target,
                            const acc_t<T>* lse, const CrossEntropyShape& s) {
  using A = acc_t<T>;
  const A g = static_cast<A>(static_cast<double>(*dloss) * s.scale);
  const A even = static_cast<A>(s.label_smoothing / static_cast<double>(s.V));
  const A hit = static_cast<A>(1 - s.label_smoothing);
  parallel_for(ctx, s.N, row_grain(s.V), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      T* to = dx + n * s.V;
      const T* row = x + n * s.V;
      if (target[n] == s.ignore_index) {
        for (int64_t v = 0; v < s.V; ++v) to[v] = narrow<T>(0);
        continue;
      }
      const A top = lse[n], x_target = wide(row[target[n]]);  // dx may be x
#pragma omp simd
      for (int64_t v = 0; v < s.V; ++v) to[v] = narrow<T>(g * (vexp(wide(row[v]) - top) - even));
      if constexpr (std::is_same_v<T, A>) {
        to[target[n]] -= g * hit;
      } else {  // the difference is what is rounded: near the end of a training it is far smaller than its parts
        to[target[n]] = narrow<T>(g * (vexp(x_target - top) - even - hit));
      }
    }
  });
}

LL_INSTANTIATE(cross_entropy_forward);
LL_INSTANTIATE(cross_entropy_backward);

}  // namespace lowland::LL_CPU

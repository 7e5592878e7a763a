// Splits [0, n) over the threads of ctx. fn(begin, end) must give the same result however the range is cut: sums over
// the range go through blocks of a fixed size, never through the thread's share.
#pragma once
#include <cstdint>

#include "kernels/common/ctx.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace lowland {

#if defined(__clang__)
#define LL_NOINLINE __attribute__((noinline))
#else
#define LL_NOINLINE __attribute__((noinline, noclone))
#endif

// Out of line: were fn inlined into the serial and into the parallel branch, the compiler could vectorise the
// two copies differently, and sums would depend on the number of threads in their last bit.
template <class F> LL_NOINLINE void run_range(const F& fn, int64_t begin, int64_t end) { fn(begin, end); }

// The least number of rows worth a thread, of so many elements each: handing work to a second one costs as much as
// some ten thousand elements.
inline int64_t row_grain(int64_t elements) { return (1 << 14) / (elements + 1) + 1; }

// grain: the least number of items worth a thread.
template <class F> inline void parallel_for(const Ctx& ctx, int64_t n, int64_t grain, const F& fn) {
  if (n <= 0) return;
  const int64_t most = (n + grain - 1) / grain;
  const int64_t running = ctx.threads - ctx.idle;
  const int threads = static_cast<int>(most < running ? most : running);
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    {
      const int64_t t = omp_get_thread_num(), team = omp_get_num_threads();
      run_range(fn, n * t / team, n * (t + 1) / team);
    }
    return;
  }
#endif
  run_range(fn, 0, n);
}

}  // namespace lowland

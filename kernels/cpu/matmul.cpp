#include "kernels/matmul.h"

#include <cblas.h>
#include <oneapi/dnnl/dnnl.h>

#include <string>
#include <type_traits>

#include "kernels/common/error.h"
#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {

template <class T>
void matmul(Ctx& ctx, T* C, const T* A, const T* B, const MatmulShape& s, T alpha, T beta) {
  if (s.M == 0 || s.N == 0) return;
  if (s.K == 0) {
    parallel_for(ctx, s.M, 64, [&](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m)
        for (int64_t n = 0; n < s.N; ++n) C[m * s.ldc + n] = beta == T(0) ? T(0) : beta * C[m * s.ldc + n];
    });
    return;
  }
  if constexpr (std::is_same_v<T, float>) {
    const auto status = dnnl_sgemm(s.trans_a == Trans::yes ? 'T' : 'N', s.trans_b == Trans::yes ? 'T' : 'N', s.M, s.N,
                                   s.K, alpha, A, s.lda, B, s.ldb, beta, C, s.ldc);
    if (status != dnnl_success) fail("oneDNN sgemm failed with status " + std::to_string(status));
  } else {
    const auto trans = [](Trans t) { return t == Trans::yes ? CblasTrans : CblasNoTrans; };
    const auto i = [](int64_t n) { return static_cast<blasint>(n); };
    cblas_dgemm(CblasRowMajor, trans(s.trans_a), trans(s.trans_b), i(s.M), i(s.N), i(s.K), alpha, A, i(s.lda), B,
                i(s.ldb), beta, C, i(s.ldc));
  }
}

template void matmul<float>(Ctx&, float*, const float*, const float*, const MatmulShape&, float, float);
template void matmul<double>(Ctx&, double*, const double*, const double*, const MatmulShape&, double, double);

}  // namespace lowland::LL_CPU

#include "kernels/matmul.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {
namespace {

// Where op(A)_mk and op(B)_kn stand.
int64_t at_A(const MatmulShape& s, int64_t m, int64_t k) {
  return s.trans_a == Trans::yes ? k * s.lda + m : m * s.lda + k;
}
int64_t at_B(const MatmulShape& s, int64_t k, int64_t n) {
  return s.trans_b == Trans::yes ? n * s.ldb + k : k * s.ldb + n;
}

}  // namespace

Values matmul(const Values& A, const Values& B, const MatmulShape& s, double alpha, double beta, Values C) {
  if (C.empty()) C.resize(s.M * s.ldc);
  for (int64_t m = 0; m < s.M; ++m)
    for (int64_t n = 0; n < s.N; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < s.K; ++k) sum += A[at_A(s, m, k)] * B[at_B(s, k, n)];
      C[m * s.ldc + n] = alpha * sum + beta * C[m * s.ldc + n];
    }
  return C;
}

MatmulGradients matmul_backward(const Values& dC, const Values& A, const Values& B, const MatmulShape& s,
                                double alpha) {
  Values dA(A.size()), dB(B.size());
  for (int64_t m = 0; m < s.M; ++m)
    for (int64_t n = 0; n < s.N; ++n)
      for (int64_t k = 0; k < s.K; ++k) {
        dA[at_A(s, m, k)] += alpha * dC[m * s.ldc + n] * B[at_B(s, k, n)];
        dB[at_B(s, k, n)] += alpha * dC[m * s.ldc + n] * A[at_A(s, m, k)];
      }
  return {dA, dB};
}

}  // namespace lowland::reference

// A row-major product as column-major BLAS sees it: C^T = op(B)^T op(A)^T, and a row-major matrix is its transpose. So
// B comes first, A second, and nothing is copied.
#pragma once
#include "kernels/matmul.h"

namespace lowland::cuda {

// A column-major matrix as it lies in memory.
struct BlasMatrix {
  int64_t rows = 0, columns = 0, ld = 0;
};

// D (m, n) = op(first) op(second), k the inner size. `first` is our B, `second` our A, D our C.
struct BlasView {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_first = false, transpose_second = false;
  BlasMatrix first, second, result;
};

inline BlasView blas_view(const MatmulShape& s) {
  const bool ta = s.trans_a == Trans::yes, tb = s.trans_b == Trans::yes;
  BlasView v{s.N, s.M, s.K, tb, ta, {}, {}, {s.N, s.M, s.ldc}};
  v.first = tb ? BlasMatrix{s.K, s.N, s.ldb} : BlasMatrix{s.N, s.K, s.ldb};
  v.second = ta ? BlasMatrix{s.M, s.K, s.lda} : BlasMatrix{s.K, s.M, s.lda};
  return v;
}

}  // namespace lowland::cuda

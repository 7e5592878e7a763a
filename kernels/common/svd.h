// Singular values of a matrix on the host, by LAPACK (which comes with OpenBLAS).
#pragma once
#include <cstdint>
#include <vector>

namespace lowland {

// w (n, m) = u diag(s) v with u (n, k), v (k, m), k = min(n, m), s falling.
struct Svd {
  std::vector<float> u, s, v;
};
// All three are empty where there are none, as of a NaN. REQUIRES n, m >= 1.
Svd singular_values(std::vector<float> w, int64_t n, int64_t m);

}  // namespace lowland

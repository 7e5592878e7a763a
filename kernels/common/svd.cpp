#include "kernels/common/svd.h"

#include <algorithm>
#include <cmath>

extern "C" void sgesdd_(const char* jobz, const int* m, const int* n, float* a, const int* lda, float* s, float* u,
                        const int* ldu, float* vt, const int* ldvt, float* work, const int* lwork, int* iwork,
                        int* info);

namespace lowland {

// Fortran reads w as w^T (m, n) = U diag(s) V^T: its U, a column after another, is v, and its V^T is u.
Svd singular_values(std::vector<float> w, int64_t n, int64_t m) {
  if (!std::all_of(w.begin(), w.end(), [](float x) { return std::isfinite(x); })) return {};
  const int64_t k = std::min(n, m);
  const int rows = static_cast<int>(m), columns = static_cast<int>(n), values = static_cast<int>(k);
  Svd out{std::vector<float>(n * k), std::vector<float>(k), std::vector<float>(k * m)};
  std::vector<int> whole(8 * k);
  std::vector<float> work(1);
  int info = 0;
  for (int lwork = -1; lwork != 0;) {  // first it tells the room that it takes
    sgesdd_("S", &rows, &columns, w.data(), &rows, out.s.data(), out.v.data(), &rows, out.u.data(), &values,
            work.data(), &lwork, whole.data(), &info);
    if (lwork > 0 || info != 0) break;
    lwork = static_cast<int>(std::nextafter(work[0], 3e38F)) + 1;
    work.resize(lwork);
  }
  return info == 0 ? out : Svd{};
}

}  // namespace lowland

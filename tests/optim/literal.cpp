#include "tests/optim/literal.h"

#include <cmath>

namespace lowland::test {

Matrix transposed(const Matrix& a) {
  Matrix t(a.cols, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.cols; ++j) t.at(j, i) = a.at(i, j);
  return t;
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.cols);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t k = 0; k < a.cols; ++k)
      for (int64_t j = 0; j < b.cols; ++j) c.at(i, j) += a.at(i, k) * b.at(k, j);
  return c;
}

Matrix sum(const Matrix& a, const Matrix& b, long double scale_a, long double scale_b) {
  Matrix c(a.rows, a.cols);
  for (size_t i = 0; i < c.x.size(); ++i) c.x[i] = scale_a * a.x[i] + scale_b * b.x[i];
  return c;
}

long double norm(const Matrix& a) {
  long double s = 0;
  for (const long double v : a.x) s += v * v;
  return std::sqrt(s);
}

Matrix literal_pinv(const Matrix& a, long double rcond) {
  if (a.rows < a.cols) return transposed(literal_pinv(transposed(a), rcond));
  // Hestenes: rotate columns of U = A V until they are orthogonal; their norms are the singular values.
  Matrix u = a, v(a.cols, a.cols);
  for (int64_t i = 0; i < a.cols; ++i) v.at(i, i) = 1;
  for (int sweep = 0; sweep < 80; ++sweep) {
    bool rotated = false;
    for (int64_t p = 0; p < a.cols; ++p)
      for (int64_t q = p + 1; q < a.cols; ++q) {
        long double pp = 0, qq = 0, pq = 0;
        for (int64_t i = 0; i < a.rows; ++i) {
          pp += u.at(i, p) * u.at(i, p);
          qq += u.at(i, q) * u.at(i, q);
          pq += u.at(i, p) * u.at(i, q);
        }
        if (pq == 0 || std::fabs(pq) <= 1e-18L * std::sqrt(pp * qq)) continue;
        rotated = true;
        const long double zeta = (qq - pp) / (2 * pq);
        const long double t = (zeta >= 0 ? 1.0L : -1.0L) / (std::fabs(zeta) + std::sqrt(1 + zeta * zeta));
        const long double c = 1 / std::sqrt(1 + t * t), s = c * t;
        for (Matrix* m : {&u, &v})
          for (int64_t i = 0; i < m->rows; ++i) {
            const long double x = m->at(i, p), y = m->at(i, q);
            m->at(i, p) = c * x - s * y;
            m->at(i, q) = s * x + c * y;
          }
      }
    if (!rotated) break;
  }
  std::vector<long double> sigma2(a.cols);
  long double most = 0;
  for (int64_t j = 0; j < a.cols; ++j) {
    for (int64_t i = 0; i < a.rows; ++i) sigma2[j] += u.at(i, j) * u.at(i, j);
    most = std::fmax(most, sigma2[j]);
  }
  Matrix pinv(a.cols, a.rows);
  for (int64_t k = 0; k < a.cols; ++k) {
    const long double s2 = sigma2[k];
    if (std::sqrt(s2) <= rcond * std::sqrt(most)) continue;
    for (int64_t i = 0; i < a.cols; ++i)
      for (int64_t j = 0; j < a.rows; ++j) pinv.at(i, j) += v.at(i, k) * u.at(j, k) / s2;
  }
  return pinv;
}

Matrix literal_g(const Matrix& A, const Matrix& B, const Matrix& GA, const Matrix& GB, long double s,
                 long double rcond) {
  return sum(product(GB, literal_pinv(transposed(A), rcond)), product(literal_pinv(transposed(B), rcond), GA), 0.5L / s,
             0.5L / s);
}

Matrix literal_e(const Matrix& A, const Matrix& g, long double g_norm, long double s, long double rho,
                 long double rcond) {
  const Matrix e = product(g, literal_pinv(A, rcond));
  return sum(e, e, g_norm > 0 ? rho / g_norm / s : 0, 0);
}

}  // namespace lowland::test

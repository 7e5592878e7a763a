#include "kernels/reference/eflat.h"

#include <algorithm>
#include <cmath>

namespace lowland::reference {

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

Matrix sum(const Matrix& a, const Matrix& b, double scale_a, double scale_b) {
  Matrix c(a.rows, a.cols);
  for (size_t i = 0; i < c.x.size(); ++i) c.x[i] = scale_a * a.x[i] + scale_b * b.x[i];
  return c;
}

double norm(const Matrix& a) { return std::sqrt(sum_squares(a.x)); }

// Hestenes: rotate columns of U = A V until they are orthogonal; their norms are the singular values.
Matrix pseudo_inverse(const Matrix& a, double rcond) {
  if (a.rows < a.cols) return transposed(pseudo_inverse(transposed(a), rcond));
  Matrix u = a, v(a.cols, a.cols), pinv(a.cols, a.rows);
  for (int64_t i = 0; i < a.cols; ++i) v.at(i, i) = 1;
  bool rotated = true;
  for (int sweep = 0; sweep < 80 && rotated; ++sweep) {
    rotated = false;
    for (int64_t p = 0; p < a.cols; ++p)
      for (int64_t q = p + 1; q < a.cols; ++q) {
        double pp = 0, qq = 0, pq = 0;
        for (int64_t i = 0; i < a.rows; ++i) {
          pp += u.at(i, p) * u.at(i, p);
          qq += u.at(i, q) * u.at(i, q);
          pq += u.at(i, p) * u.at(i, q);
        }
        if (pq == 0 || std::fabs(pq) <= 1e-14 * std::sqrt(pp * qq)) continue;
        rotated = true;
        const double zeta = (qq - pp) / (2 * pq);
        const double t = (zeta >= 0 ? 1 : -1) / (std::fabs(zeta) + std::sqrt(1 + zeta * zeta));
        const double c = 1 / std::sqrt(1 + t * t), s = c * t;
        for (Matrix* m : {&u, &v})
          for (int64_t i = 0; i < m->rows; ++i) {
            const double x = m->at(i, p), y = m->at(i, q);
            m->at(i, p) = c * x - s * y;
            m->at(i, q) = s * x + c * y;
          }
      }
  }
  Values sigma2(a.cols);
  for (int64_t k = 0; k < a.cols; ++k)
    for (int64_t i = 0; i < a.rows; ++i) sigma2[k] += u.at(i, k) * u.at(i, k);
  const double most = a.cols == 0 ? 0 : *std::max_element(sigma2.begin(), sigma2.end());
  for (int64_t k = 0; k < a.cols; ++k) {
    if (std::sqrt(sigma2[k]) <= rcond * std::sqrt(most)) continue;
    for (int64_t i = 0; i < a.cols; ++i)
      for (int64_t j = 0; j < a.rows; ++j) pinv.at(i, j) += v.at(i, k) * u.at(j, k) / sigma2[k];
  }
  return pinv;
}

Matrix eflat_gradient(const Matrix& A, const Matrix& B, const Matrix& GA, const Matrix& GB, double s, double rcond) {
  return sum(product(GB, pseudo_inverse(transposed(A), rcond)), product(pseudo_inverse(transposed(B), rcond), GA),
             0.5 / s, 0.5 / s);
}

Matrix eflat_step(const Matrix& A, const Matrix& g, double g_norm, double s, double rho, double rcond) {
  if (!(g_norm > 0 && std::isfinite(g_norm))) return Matrix(g.rows, A.rows);
  const Matrix E_W = sum(g, g, rho / g_norm, 0);
  const Matrix E_B = product(E_W, pseudo_inverse(A, rcond));
  return sum(E_B, E_B, 1 / s, 0);
}

Values eflat_perturbation(Values& e, const Values& values, const Values& grads, const EflatTable& table,
                          const EflatOptions& o, const StepScalars& s, bool rounded) {
  std::vector<Matrix> as, gs;
  Values g_norm;
  for (int64_t k = 0; k < table.count; ++k) {
    const EflatAdapter& d = table.adapters[k];
    Matrix A(d.r, d.m, &values[d.a]), B(d.n, d.r, &values[d.b]);
    if (o.grads_at_perturbed_b) B = sum(B, Matrix(d.n, d.r, &e[d.e]));
    for (Matrix* read : {&A, &B})
      for (double& x : read->x) x = o.rounded_view ? double(float(bf16(float(x)))) : rounded ? double(float(x)) : x;
    const Matrix GA(d.r, d.m, &grads[d.a]), GB(d.n, d.r, &grads[d.b]);
    gs.push_back(eflat_gradient(A, B, GA, GB, d.scale, o.rcond));
    as.push_back(A);
    g_norm.push_back(norm(gs.back()));
  }
  const double beta = s.t == 1 ? 1 : o.beta;
  for (int64_t k = 0; k < table.count && s.finite != 0; ++k) {
    const EflatAdapter& d = table.adapters[k];
    const double length = o.global_norm ? std::sqrt(sum_squares(g_norm)) : g_norm[k];
    const double rho = o.radius2 == nullptr ? s.rho : s.rho * std::sqrt(o.radius2[k]);
    const Matrix E_B = eflat_step(as[k], gs[k], length, d.scale, rho, o.rcond);
    for (int64_t i = 0; i < d.n * d.r; ++i) e[d.e + i] = (1 - beta) * e[d.e + i] + beta * E_B.x[i];
  }
  return g_norm;
}

}  // namespace lowland::reference

// Symmetric r x r mathematics in double, r the rank of an adapter: eigen-decomposition, pseudo-inverse, products.
// Row-major, leading dimension r. Plain loops over pointers, so that a CPU thread and a GPU thread run the same code.
//
//   eigen           K = V^T diag(lambda) V, row i of V the eigenvector of lambda_i        cyclic Jacobi
//   pseudo-inverse  K^+ = sum over { i : lambda_i > cut * lambda_max } of v_i v_i^T / lambda_i
// A Gram matrix K = A A^T squares the condition number of A, so a cut-off of rcond on the singular values of A is
// cut = rcond^2 here. Where no eigenvalue can fall under the cut-off, K^+ = K^-1 comes from a Cholesky factor at a
// fiftieth of the price; that this is so is certain if 1 / tr(K^-1) > cut * tr(K), because
// lambda_min >= 1 / tr(K^-1) and lambda_max <= tr(K).
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/common/hd.h"

namespace lowland::LL_HD_NAMESPACE {

LL_HD inline double trace(const double* x, int64_t r) {
  double sum = 0;
  for (int64_t i = 0; i < r; ++i) sum += x[i * r + i];
  return sum;
}

// tr(X Y) for X, Y (r, r)
LL_HD inline double trace_of_product(const double* x, const double* y, int64_t r) {
  double sum = 0;
  for (int64_t i = 0; i < r; ++i)
    for (int64_t j = 0; j < r; ++j) sum += x[i * r + j] * y[j * r + i];
  return sum;
}

// out = X Y; out must not overlap either.
LL_HD inline void small_product(double* out, const double* x, const double* y, int64_t r) {
  for (int64_t i = 0; i < r; ++i) {
    double* row = out + i * r;
    for (int64_t j = 0; j < r; ++j) row[j] = 0;
    for (int64_t k = 0; k < r; ++k) {
      const double xik = x[i * r + k];
      for (int64_t j = 0; j < r; ++j) row[j] += xik * y[k * r + j];
    }
  }
}

// One Jacobi rotation that zeroes K_pq: rows p and q of K and V are rotated, then K's columns follow by symmetry.
LL_HD inline void jacobi_rotate(double* K, double* V, int64_t r, int64_t p, int64_t q) {
  const double kpq = K[p * r + q], kpp = K[p * r + p], kqq = K[q * r + q];
  const double theta = (kqq - kpp) / (2 * kpq);
  const double t = (theta >= 0 ? 1.0 : -1.0) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
  const double c = 1 / std::sqrt(t * t + 1), s = t * c;
  double *kp = K + p * r, *kq = K + q * r, *vp = V + p * r, *vq = V + q * r;
  for (int64_t i = 0; i < r; ++i) {
    const double x = kp[i], y = kq[i];
    kp[i] = c * x - s * y;
    kq[i] = s * x + c * y;
  }
  for (int64_t i = 0; i < r; ++i) {
    const double x = vp[i], y = vq[i];
    vp[i] = c * x - s * y;
    vq[i] = s * x + c * y;
  }
  for (int64_t i = 0; i < r; ++i) {
    K[i * r + p] = kp[i];
    K[i * r + q] = kq[i];
  }
  kp[p] = kpp - t * kpq;
  kq[q] = kqq + t * kpq;
  kp[q] = kq[p] = 0;
}

// Eigen-decomposition of the symmetric K: on return its diagonal holds the eigenvalues (in no order) and the
// rows of V the eigenvectors. Sweeps until every off-diagonal entry is under 1e-16 of the largest diagonal one;
// 6 to 10 are usual.
LL_HD inline void symmetric_eigen(double* K, double* V, int64_t r) {
  for (int64_t i = 0; i < r * r; ++i) V[i] = 0;
  for (int64_t i = 0; i < r; ++i) V[i * r + i] = 1;
  for (int sweep = 0; sweep < 60; ++sweep) {
    double largest = 0;
    for (int64_t i = 0; i < r; ++i) largest = std::fmax(largest, std::fabs(K[i * r + i]));
    int64_t rotated = 0;
    for (int64_t p = 0; p < r; ++p)
      for (int64_t q = p + 1; q < r; ++q) {
        // Also false for NaN: such a matrix is given back as it is.
        if (!(std::fabs(K[p * r + q]) > 1e-16 * largest)) continue;
        jacobi_rotate(K, V, r, p, q);
        ++rotated;
      }
    if (rotated == 0) return;
  }
}

// inv = K^-1 by Cholesky, if it is certain that no eigenvalue lies at or under cut * lambda_max; else false.
LL_HD inline bool well_conditioned_inverse(double* inv, const double* K, int64_t r, double cut, double* L) {
  const double t = trace(K, r);
  if (!(t > 0)) return false;
  for (int64_t i = 0; i < r; ++i) {  // K = L L^T, L lower
    for (int64_t j = 0; j <= i; ++j) {
      double sum = K[i * r + j];
      for (int64_t k = 0; k < j; ++k) sum -= L[i * r + k] * L[j * r + k];
      if (i != j) {
        L[i * r + j] = sum / L[j * r + j];
      } else if (sum > cut * t) {  // a pivot is at least lambda_min
        L[i * r + i] = std::sqrt(sum);
      } else {
        return false;
      }
    }
  }
  for (int64_t j = 0; j < r; ++j) {  // L^-1 over L, column by column
    L[j * r + j] = 1 / L[j * r + j];
    for (int64_t i = j + 1; i < r; ++i) {
      double sum = 0;
      for (int64_t k = j; k < i; ++k) sum -= L[i * r + k] * L[k * r + j];
      L[i * r + j] = sum / L[i * r + i];
    }
  }
  for (int64_t i = 0; i < r; ++i)  // K^-1 = L^-T L^-1
    for (int64_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (int64_t k = i; k < r; ++k) sum += L[k * r + i] * L[k * r + j];
      inv[i * r + j] = inv[j * r + i] = sum;
    }
  return 1 > cut * t * trace(inv, r);
}

// pinv = K^+ of the symmetric positive semi-definite K, eigenvalues at or under cut * lambda_max counted as zero.
// K = 0 gives 0. work: 2 r^2 doubles. K is kept.
LL_HD inline void pseudo_inverse(double* pinv, const double* K, int64_t r, double cut, double* work) {
  if (well_conditioned_inverse(pinv, K, r, cut, work)) return;
  double *lambda = work, *V = work + r * r;
  for (int64_t i = 0; i < r * r; ++i) lambda[i] = K[i];
  symmetric_eigen(lambda, V, r);
  double largest = 0;
  for (int64_t i = 0; i < r; ++i) largest = std::fmax(largest, lambda[i * r + i]);
  for (int64_t i = 0; i < r * r; ++i) pinv[i] = 0;
  for (int64_t k = 0; k < r; ++k) {
    const double l = lambda[k * r + k];
    if (!(l > cut * largest) || !(l > 0)) continue;
    const double* v = V + k * r;
    for (int64_t i = 0; i < r; ++i) {
      const double vi = v[i] / l;
      for (int64_t j = 0; j < r; ++j) pinv[i * r + j] += vi * v[j];
    }
  }
}

}  // namespace lowland::LL_HD_NAMESPACE

// The perturbation as the paper prints it, with n x m matrices and pseudo-inverses by one-sided Jacobi SVD in long
// double: the oracle of kernels/eflat.h. Slow, and it shares no code and no idea with the Gram form.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lowland::test {

struct Matrix {
  int64_t rows = 0, cols = 0;
  std::vector<long double> x;
  Matrix() = default;
  Matrix(int64_t r, int64_t c) : rows(r), cols(c), x(r * c) {}
  long double& at(int64_t i, int64_t j) { return x[i * cols + j]; }
  long double at(int64_t i, int64_t j) const { return x[i * cols + j]; }
};

template <class T> Matrix to_matrix(int64_t rows, int64_t cols, const T* values) {
  Matrix m(rows, cols);
  for (int64_t i = 0; i < rows * cols; ++i) m.x[i] = static_cast<long double>(values[i]);
  return m;
}

Matrix transposed(const Matrix& a);
Matrix product(const Matrix& a, const Matrix& b);
Matrix sum(const Matrix& a, const Matrix& b, long double scale_a, long double scale_b);
long double norm(const Matrix& a);
// Singular values at or under rcond * the largest count as zero.
Matrix literal_pinv(const Matrix& a, long double rcond);

// Eq. 12
Matrix literal_g(const Matrix& A, const Matrix& B, const Matrix& GA, const Matrix& GB, long double s,
                 long double rcond);
// Eqs. 13 and 15, given g and its norm
Matrix literal_e(const Matrix& A, const Matrix& g, long double g_norm, long double s, long double rho,
                 long double rcond);

}  // namespace lowland::test

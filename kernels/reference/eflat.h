// EFlat-LoRA's perturbation as the paper prints it (arXiv:2508.00522), with n x m matrices and pseudo-inverses: the
// other column of kernels/eflat.h, with which it shares no code and no idea.
#pragma once
#include "kernels/eflat.h"
#include "kernels/reference/reference.h"
#include "kernels/weight_noise.h"

namespace lowland::reference {

struct Matrix {
  int64_t rows = 0, cols = 0;
  Values x;
  Matrix() = default;
  Matrix(int64_t r, int64_t c) : rows(r), cols(c), x(r * c) {}
  Matrix(int64_t r, int64_t c, const double* values) : rows(r), cols(c), x(values, values + r * c) {}
  double& at(int64_t i, int64_t j) { return x[i * cols + j]; }
  double at(int64_t i, int64_t j) const { return x[i * cols + j]; }
};

Matrix transposed(const Matrix& a);
Matrix product(const Matrix& a, const Matrix& b);
Matrix sum(const Matrix& a, const Matrix& b, double scale_a = 1, double scale_b = 1);
double norm(const Matrix& a);
// By one-sided Jacobi SVD. Singular values at or under rcond * the largest count as zero.
Matrix pseudo_inverse(const Matrix& a, double rcond);

// Eq. 12: g (n, m), of A (r, m), B (n, r) and their gradients.
Matrix eflat_gradient(const Matrix& A, const Matrix& B, const Matrix& GA, const Matrix& GB, double s, double rcond);
// Eqs. 13 and 15: E_B (n, r), given g and the norm that it is divided by.
Matrix eflat_step(const Matrix& A, const Matrix& g, double g_norm, double s, double rho, double rcond);

// All adapters, with Eq. 18, as the kernel has it. Returns ||g||_F of each. rounded: B + e as f32, as a forward in f32
// read it.
Values eflat_perturbation(Values& e, const Values& values, const Values& grads, const EflatTable& table,
                          const EflatOptions& options, const StepScalars& s, bool rounded = false);

// kernels/adapter_norms.h, with n x m matrices. x: empty for the product.
Values adapter_norms(const Values& values, const Values& x, const EflatTable& table);
// kernels/bi_lora.h. Returns the norms.
Values bi_lora_step(Values& x, const Values& g, const EflatTable& table, double rate, const StepScalars& s);
// kernels/weight_noise.h: W with noise in proportion to the rows of W + s B A.
Values noisy_weight(const Matrix& W, const Matrix& A, const Matrix& B, double rho, const NoiseShape& shape,
                    PhiloxKey key);
void precondition(Values& grads, const Values& values, const EflatTable& table);
// kernels/mgpo.h: E (n, m), which B' and A' there are the factors of.
Matrix mgpo_perturbation(const Matrix& A, const Matrix& B, const Matrix& m_A, const Matrix& m_B, double scale,
                         double gbar, double rho);

}  // namespace lowland::reference

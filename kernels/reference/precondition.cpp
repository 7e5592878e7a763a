#include "kernels/precondition.h"

#include <algorithm>

#include "kernels/reference/eflat.h"

namespace lowland::reference {
namespace {

// The largest eigenvalue, by the power method.
double largest_eigenvalue(const Matrix& K) {
  Matrix v(K.rows, 1);
  for (int64_t i = 0; i < K.rows; ++i) v.at(i, 0) = 1 + 0.1 * double(i % 7);
  double lambda = 0;
  for (int i = 0; i < 5000 && norm(v) > 0; ++i) {
    v = sum(v, v, 1 / norm(v), 0);
    v = product(K, v);
    lambda = norm(v);
  }
  return lambda;
}

Matrix damped_inverse(const Matrix& K) {
  const double largest = largest_eigenvalue(K);
  Matrix damped = K;
  for (int64_t i = 0; i < K.rows; ++i) damped.at(i, i) += largest > 0 ? kPreconditionDamping * largest : 1;
  return pseudo_inverse(damped, 0);
}

}  // namespace

void precondition(Values& grads, const Values& values, const EflatTable& table) {
  for (int64_t k = 0; k < table.count; ++k) {
    const EflatAdapter& d = table.adapters[k];
    const Matrix A(d.r, d.m, &values[d.a]), B(d.n, d.r, &values[d.b]);
    const Matrix GA = product(damped_inverse(product(transposed(B), B)), Matrix(d.r, d.m, &grads[d.a]));
    const Matrix GB = product(Matrix(d.n, d.r, &grads[d.b]), damped_inverse(product(A, transposed(A))));
    std::copy(GA.x.begin(), GA.x.end(), grads.begin() + d.a);
    std::copy(GB.x.begin(), GB.x.end(), grads.begin() + d.b);
  }
}

}  // namespace lowland::reference

#include "kernels/reference/eflat.h"

namespace lowland::reference {

Values adapter_norms(const Values& values, const Values& x, const EflatTable& table) {
  Values out;
  for (int64_t k = 0; k < table.count; ++k) {
    const EflatAdapter& d = table.adapters[k];
    const Matrix A(d.r, d.m, &values[d.a]), B(d.n, d.r, &values[d.b]);
    Matrix W = product(B, A);
    if (!x.empty()) W = sum(product(Matrix(d.n, d.r, &x[d.b]), A), product(B, Matrix(d.r, d.m, &x[d.a])));
    out.push_back(d.scale * d.scale * sum_squares(W.x));
  }
  return out;
}

}  // namespace lowland::reference

#include "kernels/lora_linear.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values lora_linear_down_forward(const Values& x, const Values& A, const LoraInput& in) {
  return linear_forward(dropout_forward(x, in.dropout, in.N, in.M), A, {}, in.N, in.M, in.KR);
}

LoraDownGradients lora_linear_down_backward(const Values& dxa, const Values& x, const Values& A, const LoraInput& in) {
  const Values xd = dropout_forward(x, in.dropout, in.N, in.M);
  const auto [dxd, dA, none] = linear_backward(dxa, xd, A, in.N, in.M, in.KR);
  return {dropout_forward(dxd, in.dropout, in.N, in.M), dA};
}

Values lora_linear_forward(const Values& x, const Values& W, const Values& b, const Values& A,
                           const std::vector<Values>& B, const LoraShape& l) {
  const int64_t N = l.N, O = l.O, KR = l.input().KR;
  Values y = linear_forward(x, W, b, N, l.M, O);
  const Values xa = lora_linear_down_forward(x, A, l.input());
  int64_t first = 0;  // column of xa_k
  for (size_t k = 0; k < l.parts.size(); ++k) {
    const auto [row_begin, rows, R, s] = l.parts[k];
    for (int64_t n = 0; n < N; ++n)
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t r = 0; r < R; ++r) y[n * O + row_begin + i] += s * xa[n * KR + first + r] * B[k][i * R + r];
    first += R;
  }
  return y;
}

LoraGradients lora_linear_backward(const Values& dy, const Values& x, const Values& W, const Values& A,
                                   const std::vector<Values>& B, const LoraShape& l) {
  const int64_t N = l.N, O = l.O, KR = l.input().KR;
  auto [dx, dW, db] = linear_backward(dy, x, W, N, l.M, O);
  const Values xa = lora_linear_down_forward(x, A, l.input());
  Values dxa(N * KR);
  std::vector<Values> dB;
  int64_t first = 0;
  for (size_t k = 0; k < l.parts.size(); ++k) {
    const auto [row_begin, rows, R, s] = l.parts[k];
    dB.emplace_back(B[k].size());
    for (int64_t n = 0; n < N; ++n)
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t r = 0; r < R; ++r) {
          const double dy_k = dy[n * O + row_begin + i];
          dxa[n * KR + first + r] += s * dy_k * B[k][i * R + r];
          dB[k][i * R + r] += s * dy_k * xa[n * KR + first + r];
        }
    first += R;
  }
  const auto [dx_down, dA] = lora_linear_down_backward(dxa, x, A, l.input());
  return {add(dx, dx_down), dW, db, dA, dB};
}

}  // namespace lowland::reference

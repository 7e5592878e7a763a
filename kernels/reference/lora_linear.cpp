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
  const int64_t N = l.N, O = l.O, R = l.R, KR = l.input().KR;
  Values y = linear_forward(x, W, b, N, l.M, O);
  const Values xa = lora_linear_down_forward(x, A, l.input());
  for (size_t k = 0; k < l.parts.size(); ++k)
    for (int64_t n = 0; n < N; ++n)
      for (int64_t i = 0; i < l.parts[k].n; ++i)
        for (int64_t r = 0; r < R; ++r)
          y[n * O + l.parts[k].row_begin + i] += l.s * xa[n * KR + k * R + r] * B[k][i * R + r];
  return y;
}

LoraGradients lora_linear_backward(const Values& dy, const Values& x, const Values& W, const Values& A,
                                   const std::vector<Values>& B, const LoraShape& l) {
  const int64_t N = l.N, O = l.O, R = l.R, KR = l.input().KR;
  auto [dx, dW, db] = linear_backward(dy, x, W, N, l.M, O);
  const Values xa = lora_linear_down_forward(x, A, l.input());
  Values dxa(N * KR);
  std::vector<Values> dB;
  for (size_t k = 0; k < l.parts.size(); ++k) {
    dB.emplace_back(B[k].size());
    for (int64_t n = 0; n < N; ++n)
      for (int64_t i = 0; i < l.parts[k].n; ++i)
        for (int64_t r = 0; r < R; ++r) {
          const double dy_k = dy[n * O + l.parts[k].row_begin + i];
          dxa[n * KR + k * R + r] += l.s * dy_k * B[k][i * R + r];
          dB[k][i * R + r] += l.s * dy_k * xa[n * KR + k * R + r];
        }
  }
  const auto [dx_down, dA] = lora_linear_down_backward(dxa, x, A, l.input());
  return {add(dx, dx_down), dW, db, dA, dB};
}

}  // namespace lowland::reference

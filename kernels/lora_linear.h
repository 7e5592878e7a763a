// lora_linear: a linear layer and the low-rank adapters that read its input, as one op. Composed of matmul,
// bias and the two kernels below. Equals linear, one matmul by A and one matmul per part by B: the oracle.
//   A' = A + E_A (KR, M)       B_k' = B_k + E_k (n_k, R_k)     the centre where a perturbation is absent
//   xd_nm = x_nm f_nm          f = 0 or 1 / (1 - p): one mask for all parts, drawn by Philox, never stored
//   forward    xa = xd A'^T    y[:, rows of k] = s_k xa_k B_k'^T,   y += x W^T + bias
//              where the parts' rows are not all of W's, the other way round: y = x W^T + bias first
//   backward   dxa_k = s_k dy_k B_k'               dB_k = s_k dy_k^T xa_k        dA = dxa^T xd
//              dx = f * (dxa A'),  dx += dy W      dW = dy^T x, db = sum_n dy    only if they are trained
//   A low-rank product is bound by memory, so it writes y or dx and reads neither; the product with W, bound by its
//   arithmetic, has time to read what it adds to.
//   where y_k, dy_k are columns [row_begin, row_begin + n_k) and xa_k is the R_k columns behind xa_(k-1). The
//   gradients of A and B are those at the point that the forward read; dA_k A_k'^T = B_k'^T dB_k holds there.
// shapes     x, dx: (N, M)  W: (O, M)  y, dy: (N, O)  A, dA: (KR, M)  B_k, dB_k: (n_k, R_k)  xa, dxa: (N, KR)
//            dA, dB in acc_t<T>
//   A second group of pairs `beside` the first (what a method adds to W for a pass) is one more summand of the same
//   form, under the same mask.
// saves      xa, and x where A or W is trained; A' and B' are formed again in the backward
// writes     xa =   da +=   dx = (beta 0) or += (beta 1)   (da, dx may be null)
// numerics   with dropout, xd exists in tiles of a fixed size: no (N, M) temporary, no dependence on threads
// REQUIRES   0 <= p <= 1
// CUDA plan  p = 0: cuBLASLt. Else kernels/cuda/lora_linear_block.h: f32 sums, draws inside the tile loads, a mask for
//            both gradients; above 64 ranks (16 in f64 or without 16-byte rows) x is read again for each 64
// paper      Hu et al. 2021, arXiv:2106.09685
#pragma once
#include "kernels/common/ctx.h"
#include "kernels/dropout.h"

namespace lowland {

// What the adapters read: N rows of width M through a dropout, into KR = sum of R_k columns.
struct LoraInput {
  int64_t N = 0, M = 0, KR = 0;
  DropoutRows dropout = {};
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
// xa = xd a^T
template <class T> void lora_linear_down_forward(Ctx&, T* xa, const T* x, const T* a, const LoraInput& in);
// da += dxa^T xd   dx = f * (dxa a) + beta dx.   x may be null if da is
template <class T> void lora_linear_down_backward(Ctx&, T* dx, acc_t<T>* da, const T* dxa, const T* x, const T* a,
                                                  const LoraInput& in, acc_t<T> beta);
)
LL_CPU_KERNELS(
template <class T> int64_t lora_linear_down_forward_scratch(int threads, const LoraInput& in);
template <class T> int64_t lora_linear_down_backward_scratch(int threads, const LoraInput& in);
)

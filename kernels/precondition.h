// precondition: the gradients of all adapters times inverses of r x r matrices.
//   P_A = (A A^T + d_A I)^-1    P_B = (B^T B + d_B I)^-1     d: 1e-2 of the largest eigenvalue of A A^T, of B^T B
//   G_A <- P_B G_A              G_B <- G_B P_A               P = I where the matrix is zero (B^T B at first)
// shapes     values, grads: (n), an arena with A (r, m) at `a`, B (n, r) at `b`
// writes     grads = (of adapters alone; nothing at all where s->finite is 0)
// numerics   everything r x r in f64, by eigen-decomposition; the products summed in f64
// REQUIRES   on CUDA r <= 512
// CUDA plan  partial Gram matrices as in kernels/eflat.h; a block per adapter for P_A and P_B; a copy of the gradients,
//            which a block per adapter reads
// paper      Zhang & Pilanci 2024, arXiv:2402.02347
#pragma once
#include "kernels/eflat.h"

namespace lowland {

inline constexpr double kPreconditionDamping = 1e-2;

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void precondition(Ctx&, T* grads, const T* values, int64_t n, const EflatTable& table,
                                     const StepScalars* s);
)

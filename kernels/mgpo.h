// mgpo: the perturbation of W along the optimizer's momentum, as a pair beside each adapter, and the average of
// gradient norms that it is measured by.
//   track   n = sqrt(norm2_k), norm2 = ||s (G_B A + B G_A)||_F^2      gbar <- keep gbar + (1 - keep) n; at t = 1: n
//   pairs   D = s (m_B A + B m_A)      E = - rho min(1 / gbar, 10) D / ||D||_F = s B' A'
//           A' = [A; m_A] (2r, m)      B' = f [m_B | B] (n, 2r)       f = - rho min(1 / gbar, 10) / ||D||_F
// shapes     values, m: an arena   pairs: an arena with pairs of rank 2r, `to`   norm2, gbar: (count) double; norm2 of
//            pairs is ||D||^2 (kernels/adapter_norms.h)
// writes     gbar = (nothing where s->finite is 0)   pairs: A' =   B' = (zero where ||D|| is zero)
// numerics   f in f64, the product in T
// CUDA plan  a thread for each gbar; a block for each adapter
// paper      momentum-guided perturbation optimization, Findings of EMNLP 2025
#pragma once
#include "kernels/eflat.h"

// clang-format off
LL_KERNELS(
void mgpo_track(Ctx&, double* gbar, const double* norm2, int64_t count, double keep, const StepScalars* s);
template <class T> void mgpo_pairs(Ctx&, T* pairs, const T* values, const T* m, const double* norm2,
                                   const double* gbar, const EflatTable& from, const EflatTable& to,
                                   const StepScalars* s);
)

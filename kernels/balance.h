// balance: the multiplication of each adapter's A and B by which balancedness-aware regularisation (BAR) acts.
//   a = rho lr, rho: the strength of the step
//   by size       ||B|| >= ||A||:       B <- (1 - a) B, A <- (1 + a) A, else the other way      (oBAR)
//   by gradient   ||G_B|| >= ||G_A||:   B <- (1 + a) B, A <- (1 - a) A, else the other way      (nBAR)
// shapes     values, grads: an arena   table: two segments an adapter, its A and its B; `at` and `of_b` are not read
//            squares: (count) double
// writes     values =   squares = (nothing at all where s->finite is 0)
// numerics   squares in f64, over fixed blocks of kSamBlock elements of the segment, added in order; the product in T
// CUDA plan  three launches, as kernels/sam.h
// paper      Li et al. 2024, arXiv:2410.14802, Algorithms 2 and 3
#pragma once
#include "kernels/sam.h"

// clang-format off
LL_KERNELS(
template <class T> void balance(Ctx&, T* values, double* squares, const T* grads, const SamTable& table,
                                bool by_gradient, const StepScalars* s);
)

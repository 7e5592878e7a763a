// eflat: the perturbation of Flat-LoRA and EFlat-LoRA for all adapters at once, and its moving average.
//
//   printed    g   = (1 / 2s) [ G_B (A^T)^+ + (B^T)^+ G_A ]             (n, m)   Eq. 12, an estimate of dL/dW
//              E_W = rho g / ||g||_F                                    (n, m)   Eq. 13
//              E_B = (1 / s) E_W A^+                                    (n, r)   Eq. 15
//   computed   K_A = A A^T,  K_B = B^T B,  C = G_A A^T                  (r, r)
//              ||g||_F^2 = (1 / 4s^2) [ tr(K_A^+ G_B^T G_B) + 2 tr(K_A^+ G_B^T B K_B^+ C) + tr(K_B^+ G_A G_A^T) ]
//              E_B = rho / (2 s^2 ||g||_F) ( G_B K_A^+ + B K_B^+ C K_A^+ )
//              e <- (1 - beta) e + beta E_B                                      Eq. 18; at t = 1: e = E_B
// With squares of radii the rho of adapter k is rho sqrt(radius2_k): a share of its own ||s B A||_F, for example.
// Both give the same numbers (docs/derivations/eflat_gram_form.md), but no (n, m) matrix is ever built: O((n + m) r^2)
// time and O(r^2) memory per adapter instead of O(n m r) and O(n m).
//
// Here A, B, G_A, G_B are what the forward read and the backward gave: B is B + e if the gradient was taken there
// (EFlat-LoRA), else B (Flat-LoRA). The paper prints sign(g) g / ||g|| in Eqs. 9 and 13, which taken literally is
// |g| / ||g|| and no ascent direction; it is g / ||g|| here, as in SAM.
//
// shapes     values, grads: the arena, A (r, m) at `a`, B (n, r) at `b`   e: perturbation of B, (n, r) at `e`
//            g_norm: (count) double, ||g||_F of each adapter   s: rho, t, finite
// writes     e =   g_norm =   (values and grads are not changed; nothing at all where s->finite is 0)
// numerics   Gram matrices and everything r x r in f64. K^+ drops eigenvalues at or under rcond^2 * lambda_max.
//            ||g|| = 0 or not finite gives E_B = 0; B = 0 makes the second term 0. Independent of the thread count
// REQUIRES   scale != 0, 0 < beta <= 1; on CUDA r <= 512
//            eflat_perturbation_rounded keeps e in bf16 beside masters in f32, for half the memory; its arithmetic is
//            the same, and e is rounded to nearest where it is written. From the same gradients that adds at most
//            2^-8 max|e| / beta to what e is in f32: a rounding a step, of which 1 - beta reaches the next
//            With `rounded_view` A and B are taken as the bf16 numbers that the forward read: bf16(A), bf16(B + e)
// CUDA plan  three launches whatever the number of adapters: partial Gram matrices, a block per `chunk` positions of A
//            or of B; a block per adapter adds them in order and does the r x r part (kernels/cuda/
//            small_matrix_block.h: that of the CPU, shared by the threads); a grid over the rows of all B for E_B and
//            e. All in f64; 16-byte loads where r, m and the offsets allow
// paper      arXiv 2508.00522v3; reading of the ambiguous places in docs/derivations/eflat_gram_form.md
#pragma once
#include "kernels/step_scalars.h"

namespace lowland {

// Offsets in elements: a and b into values and grads, e into the perturbation of B.
struct EflatAdapter {
  int64_t a = 0, b = 0, e = 0;
  int64_t n = 0, m = 0, r = 0;
  double scale = 0;
  int64_t gram_block = 0, row_block = 0;  // CUDA: blocks of the adapters before it, by lay_out_eflat
};

// The adapters in the backend's memory, and what a launch must know of them.
struct EflatTable {
  const EflatAdapter* adapters = nullptr;
  int64_t count = 0;
  int64_t most_r = 0;
  int64_t chunk = 0;                        // positions (columns of A, rows of B) a block of the Gram matrices takes
  int64_t gram_blocks = 0, row_blocks = 0;  // of all adapters
};

// Rows of B that a block of the last launch takes: 128 threads, each with 2 rows and 4 columns.
constexpr int64_t eflat_rows_per_block(int64_t r) { return 2 * (128 / ((r + 3) / 4)); }

// Fills in what depends on all rows, before they are copied to the backend's memory. Leaves `adapters` null.
EflatTable lay_out_eflat(EflatAdapter* adapters, int64_t count);

struct EflatOptions {
  double rcond = 1e-3;
  double beta = 1;           // weight of the new perturbation in e, from the second step on
  bool global_norm = false;  // one ||g|| over all adapters instead of one for each
  bool grads_at_perturbed_b = false;
  bool rounded_view = false;
  const double* radius2 = nullptr;  // (count), in the backend's memory; null: 1 for all
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void eflat_perturbation(Ctx&, T* e, double* g_norm, const T* values, const T* grads,
                                           const EflatTable& table, const EflatOptions& options,
                                           const StepScalars* s);
void eflat_perturbation_rounded(Ctx&, bf16* e, double* g_norm, const float* values, const float* grads,
                                const EflatTable& table, const EflatOptions& options, const StepScalars* s);
)

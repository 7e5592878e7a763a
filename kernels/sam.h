// sam: a perturbation of all A and B at once along a vector, E = along rho g / ||g||, by segments: LoRA-SAM along the
// gradient (along = 1), Momentum-SAM against the momentum (along = -1).
//   squares_k = sum over segment k of g_i^2
//   norm_k^2  = squares_k, or the sum of all where `joint`
//   e_(at_k + i) = along rho / norm_k g_(begin_k + i)       e: e_a or e_b, as the segment says
// shapes     g: the arena   squares: (count) double   e_a, e_b: the perturbations of A and of B
// writes     squares =   e_a, e_b = (zero where the norm is zero; nothing at all where s->finite is 0)
// numerics   squares in f64, over fixed blocks of kSamBlock elements of the segment, added in order
// CUDA plan  three launches whatever the number of segments: a block per kSamBlock elements; a block that adds; a block
//            per kSamBlock elements again
// paper      Foret et al. 2021, arXiv:2010.01412; Becker et al. 2024, arXiv:2401.12033
#pragma once
#include "kernels/step_scalars.h"

namespace lowland {

inline constexpr int64_t kSamBlock = 4096;

struct SamSegment {
  int64_t begin = 0, size = 0;  // of the gradient
  int64_t at = 0;               // of the perturbation
  int64_t of_b = 0;             // 1: the perturbation of B
  int64_t block = 0;            // blocks of the segments before it
};

// `segments` in the backend's memory.
struct SamTable {
  const SamSegment* segments = nullptr;
  int64_t count = 0;
  int64_t blocks = 0;  // of all segments
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void sam_perturbation(Ctx&, T* e_a, T* e_b, double* squares, const T* g, const SamTable& table,
                                         bool joint, double along, const StepScalars* s);
)

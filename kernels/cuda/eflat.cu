#include "kernels/eflat.h"

#include "kernels/common/error.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/eflat_block.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

constexpr int64_t kOwnShared = 1024;  // of eflat_solve's reductions, beside what it asks for

template <class T, class E>
__global__ void __launch_bounds__(kGramThreads)
    eflat_gram_kernel(double* partial, EflatArrays<T, E> in, EflatTable table, EflatOptions o, const StepScalars* s) {
  __shared__ alignas(16) double z[kGramShared];
  __shared__ int64_t row;
  if (s->finite == 0) return;
  DeviceBlock<kGramThreads> b;
  gram_partials(b, partial, in, table, o, z, &row);
}

// spill: work of one adapter after another where it does not fit into shared memory, else null.
__global__ void __launch_bounds__(kSolveThreads)
    eflat_solve_kernel(EflatSolved out, const double* partial, EflatTable table, EflatOptions o, const StepScalars* s,
                       double* spill) {
  extern __shared__ double shared[];
  if (s->finite == 0) return;
  DeviceBlock<kSolveThreads> b;
  eflat_solve(b, out, partial, table, o, spill == nullptr ? shared : spill + b.index() * solve_work(table.most_r));
}

template <class T, class E>
__global__ void __launch_bounds__(kBlendThreads)
    eflat_blend_kernel(E* e, double* g_norm, EflatArrays<T, E> in, EflatSolved solved, EflatTable table, EflatOptions o,
                       const StepScalars* s) {
  __shared__ alignas(16) double shared[kBlendRows + kBlendFactors];
  __shared__ int64_t row;
  if (s->finite == 0) return;
  DeviceBlock<kBlendThreads> b;
  eflat_blend(b, e, g_norm, in, solved, table, o, s, shared, &row);
}

void launch_solve(Ctx& ctx, const EflatSolved& out, const double* partial, const EflatTable& table,
                  const EflatOptions& o, const StepScalars* s, Scratch& scratch) {
  const int64_t bytes = solve_work(table.most_r) * static_cast<int64_t>(sizeof(double));
  const bool fits = bytes + kOwnShared <= shared_limit();
  double* spill = fits ? nullptr : scratch.array<double>(table.count * solve_work(table.most_r));
  const int64_t shared = fits ? bytes : 0;
  allow_shared(eflat_solve_kernel, static_cast<int>(shared));
  LL_CUDA_LAUNCH(ctx, table.count, kSolveThreads, shared, eflat_solve_kernel, out, partial, table, o, s, spill);
}

template <class T, class E>
void perturb(Ctx& ctx, E* e, double* g_norm, const T* values, const T* grads, const EflatTable& table,
             const EflatOptions& o, const StepScalars* s) {
  if (table.count == 0) return;
  if (table.most_r > kMostEflatRank)
    fail("[eflat] rank " + std::to_string(table.most_r) + " is above the " + std::to_string(kMostEflatRank) +
         " that the GPU's kernels take");
  const int64_t rr = table.most_r * table.most_r;
  Scratch scratch(ctx);
  double* partial = scratch.array<double>(table.gram_blocks * 3 * rr);
  const EflatSolved solved{scratch.array<double>(table.count * 2 * rr), scratch.array<double>(table.count)};
  const EflatArrays<T, E> in{values, grads, e};
  const auto eflat_gram = eflat_gram_kernel<T, E>;
  const auto eflat_blend = eflat_blend_kernel<T, E>;
  LL_CUDA_LAUNCH(ctx, table.gram_blocks, kGramThreads, 0, eflat_gram, partial, in, table, o, s);
  launch_solve(ctx, solved, partial, table, o, s, scratch);
  LL_CUDA_LAUNCH(ctx, table.row_blocks, kBlendThreads, 0, eflat_blend, e, g_norm, in, solved, table, o, s);
}

}  // namespace

template <class T>
void eflat_perturbation(Ctx& ctx, T* e, double* g_norm, const T* values, const T* grads, const EflatTable& table,
                        const EflatOptions& o, const StepScalars* s) {
  perturb(ctx, e, g_norm, values, grads, table, o, s);
}

void eflat_perturbation_rounded(Ctx& ctx, bf16* e, double* g_norm, const float* values, const float* grads,
                                const EflatTable& table, const EflatOptions& o, const StepScalars* s) {
  perturb(ctx, e, g_norm, values, grads, table, o, s);
}

LL_INSTANTIATE_MASTER(eflat_perturbation);

}  // namespace lowland::cuda

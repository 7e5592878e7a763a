#include "kernels/cuda/eflat_block.h"
#include "kernels/cuda/gram_block.h"
#include "kernels/cuda/optimizer_block.h"
#include "kernels/cuda/sam_block.h"
#include "tests/cuda/races/race_run.h"

namespace lowland::test {
namespace {

using namespace lowland::cuda;

const StepScalars* scalars(Run& run) {
  StepScalars s;
  s.lr = 0.1, s.rho = 0.05, s.t = 2;
  return run.given(std::vector<StepScalars>{s});
}

void squares(Run& run) {
  const float* x = run.numbers<float>(kSquaresTile + 30);
  double* partial = run.results<double>(2);
  run.blocks<kSquaresThreads>(2, 0, [&](auto& b, void*) { squares_tile<4>(b, partial, x, kSquaresTile + 30); });
  double* total = run.results<double>(1);
  run.blocks<kSquaresThreads>(1, 0, [&](auto& b, void*) { add_partials(b, total, partial, 2); });
}

void sam(Run& run) {
  const std::vector<SamSegment> segments = {{0, 300, 0, 0, 0}, {300, 41, 0, 1, 1}};
  const SamTable table{run.given(segments), 2, 2};
  const float* g = run.numbers<float>(341);
  const StepScalars* s = scalars(run);
  double *partial = run.results<double>(2), *sums = run.results<double>(2);
  float *e_a = run.results<float>(300), *e_b = run.results<float>(41);
  run.blocks<kSquaresThreads>(
      2, sizeof(int64_t), [&](auto& b, void* row) { sam_squares(b, partial, g, table, static_cast<int64_t*>(row)); });
  run.blocks<kSquaresThreads>(2, 0, [&](auto& b, void*) { sam_add_segment(b, sums, partial, table); });
  run.blocks<kSquaresThreads>(2, sizeof(int64_t), [&](auto& b, void* row) {
    sam_scale(b, e_a, e_b, sums, g, table, true, 1.0, s, static_cast<int64_t*>(row));
  });
}

void adamw(Run& run) {
  float *p = run.numbers<float>(2000), *m = run.numbers<float>(2000), *v = run.results<float>(2000);
  std::fill(v, v + 2000, 0.5f);
  const float* g = run.numbers<float>(2000);
  const StepScalars* s = scalars(run);
  AdamWOptions o;
  o.groups = {{{700, 1, 0.1}, {2000, 16, 0}}, 2};
  run.blocks<kOptimizerThreads>(1, kMostGroups * sizeof(AdamWFactors<float>), [&](auto& b, void* shared) {
    adamw_tiles<4>(b, static_cast<AdamWFactors<float>*>(shared), p, m, v, g, o, s);
  });
}

void gram(Run& run) {
  const float *x = run.numbers<float>(2 * 300), *y = run.numbers<float>(2 * 300);
  double* K = run.results<double>(4);
  run.blocks<kGramEntryThreads>(4, 0, [&](auto& b, void*) { gram_entry(b, K, x, y, 2, 300, 300, 1); });
}

// One adapter; a rank-deficient A needs the eigenvalues of its Gram matrix.
void eflat(Run& run, int64_t n, int64_t m, int64_t r, bool deficient) {
  std::vector<EflatAdapter> adapters = {{0, r * m, 0, n, m, r, 0.5}};
  EflatTable table = lay_out_eflat(adapters.data(), 1);
  table.adapters = run.given(adapters);
  float* values = run.numbers<float>(r * (m + n));
  if (deficient) std::copy(values, values + m, values + m);
  float* e = run.numbers<float>(n * r);
  const EflatArrays<float> in{values, run.numbers<float>(r * (m + n)), e};
  const StepScalars* s = scalars(run);
  EflatOptions o;
  o.beta = 0.9;
  o.grads_at_perturbed_b = true;
  double *partial = run.results<double>(table.gram_blocks * 3 * r * r), *factors = run.results<double>(2 * r * r);
  double *norm2 = run.results<double>(1), *g_norm = run.results<double>(1);
  constexpr size_t kRow = (kGramShared > kBlendRows + kBlendFactors ? kGramShared : kBlendRows + kBlendFactors);
  const size_t bytes = (kRow + 1) * sizeof(double);
  const auto row_of = [](void* shared) { return static_cast<int64_t*>(shared) + kRow; };
  run.blocks<kGramThreads>(table.gram_blocks, bytes, [&](auto& b, void* shared) {
    gram_partials(b, partial, in, table, o, static_cast<double*>(shared), row_of(shared));
  });
  run.blocks<kSolveThreads>(1, solve_work(r) * sizeof(double), [&](auto& b, void* shared) {
    eflat_solve(b, {factors, norm2}, partial, table, o, static_cast<double*>(shared));
  });
  run.blocks<kBlendThreads>(table.row_blocks, bytes, [&](auto& b, void* shared) {
    eflat_blend(b, e, g_norm, in, {factors, norm2}, table, o, s, static_cast<double*>(shared), row_of(shared));
  });
}

}  // namespace

std::vector<RaceCase> update_cases() {
  return {{"sum_squares", squares},
          {"sam", sam},
          {"adamw", adamw},
          {"gram", gram},
          {"eflat, 16-byte loads", [](Run& run) { eflat(run, 40, 44, 8, false); }},
          {"eflat, two positions a block, eigenvalues", [](Run& run) { eflat(run, 7, 300, 5, true); }},
          {"eflat, two passes over z", [](Run& run) { eflat(run, 90, 80, 48, false); }}};
}

}  // namespace lowland::test

#include "kernels/matmul.h"

#include <cblas.h>
#include <oneapi/dnnl/dnnl.h>

#include <type_traits>

#include "kernels/common/error.h"
#include "kernels/common/parallel.h"
#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/library_threads.h"

namespace lowland::LL_CPU {
namespace {

struct Grid {
  int64_t rows = 1, cols = 1;  // blocks of C
};

constexpr int64_t kEdge = 16;               // blocks begin at its multiples: a vector of floats
constexpr int64_t kWorthThreads = 1 << 20;  // products below which a second thread costs more than it saves

// Makes the largest block as small as can be, and among equals as square as can be, for each thread packs its
// own rows of A and columns of B.
Grid grid_for(const MatmulShape& s, int64_t threads) {
  Grid best;
  if (s.M * s.N * s.K < kWorthThreads) return best;
  const int64_t m = (s.M + kEdge - 1) / kEdge, n = (s.N + kEdge - 1) / kEdge;
  int64_t best_area = m * n, best_edge = m + n;
  for (int64_t rows = 1; rows <= threads && rows <= m; ++rows) {
    const int64_t cols = threads / rows < n ? threads / rows : n;
    const int64_t high = (m + rows - 1) / rows, wide = (n + cols - 1) / cols;
    const int64_t area = high * wide, edge = high + wide;
    if (area > best_area || (area == best_area && edge >= best_edge)) continue;
    best = {rows, cols};
    best_area = area;
    best_edge = edge;
  }
  return best;
}

// Where block i of `blocks` begins in n.
int64_t edge_of(int64_t n, int64_t i, int64_t blocks) {
  const int64_t edge = (n + kEdge - 1) / kEdge * i / blocks * kEdge;
  return edge < n ? edge : n;
}

dnnl_status_t sgemm(float* C, const float* A, const float* B, const MatmulShape& s, float alpha, float beta) {
  return dnnl_sgemm(s.trans_a == Trans::yes ? 'T' : 'N', s.trans_b == Trans::yes ? 'T' : 'N', s.M, s.N, s.K, alpha, A,
                    s.lda, B, s.ldb, beta, C, s.ldc);
}

void matmul_f32(Ctx& ctx, float* C, const float* A, const float* B, const MatmulShape& s, float alpha, float beta) {
  const Grid grid = grid_for(s, ctx.threads);
  dnnl_status_t failure = dnnl_success;
  parallel_for(ctx, grid.rows * grid.cols, 1, [&](int64_t begin, int64_t end) {
    const LibraryThreads one(1);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t m0 = edge_of(s.M, i / grid.cols, grid.rows), m1 = edge_of(s.M, i / grid.cols + 1, grid.rows);
      const int64_t n0 = edge_of(s.N, i % grid.cols, grid.cols), n1 = edge_of(s.N, i % grid.cols + 1, grid.cols);
      MatmulShape block = s;
      block.M = m1 - m0;
      block.N = n1 - n0;
      if (block.M == 0 || block.N == 0) continue;
      const float* a = A + (s.trans_a == Trans::yes ? m0 : m0 * s.lda);
      const float* b = B + (s.trans_b == Trans::yes ? n0 * s.ldb : n0);
      const dnnl_status_t status = sgemm(C + m0 * s.ldc + n0, a, b, block, alpha, beta);
      if (status != dnnl_success) {
#pragma omp critical(ll_matmul_failure)
        failure = status;
      }
    }
  });
  if (failure != dnnl_success) fail_status("dnnl_sgemm", failure);
}

void matmul_f64(Ctx& ctx, double* C, const double* A, const double* B, const MatmulShape& s, double alpha,
                double beta) {
  const auto trans = [](Trans t) { return t == Trans::yes ? CblasTrans : CblasNoTrans; };
  const auto i = [](int64_t n) { return static_cast<blasint>(n); };
  const LibraryThreads threads(s.M * s.N * s.K < kWorthThreads ? 1 : ctx.threads);
  cblas_dgemm(CblasRowMajor, trans(s.trans_a), trans(s.trans_b), i(s.M), i(s.N), i(s.K), alpha, A, i(s.lda), B,
              i(s.ldb), beta, C, i(s.ldc));
}

// C = beta C
template <class T> void scale_result(Ctx& ctx, T* C, const MatmulShape& s, acc_t<T> beta) {
  using A = acc_t<T>;
  parallel_for(ctx, s.M, 64, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m)
      for (int64_t n = 0; n < s.N; ++n)
        C[m * s.ldc + n] = narrow<T>(beta == A(0) ? A(0) : beta * wide(C[m * s.ldc + n]));
  });
}

}  // namespace

template <class T>
void matmul(Ctx& ctx, T* C, const T* A, const T* B, const MatmulShape& s, acc_t<T> alpha, acc_t<T> beta) {
  if (s.M == 0 || s.N == 0) return;
  if (s.K == 0) return scale_result(ctx, C, s, beta);
  if constexpr (std::is_same_v<T, float>) {
    if (s.M <= kFewRows && s.trans_a == Trans::no && s.trans_b == Trans::yes)
      return row_products(ctx, C, A, B, s, alpha, beta);
    matmul_f32(ctx, C, A, B, s, alpha, beta);
  } else if constexpr (std::is_same_v<T, bf16>) {
    bf16_product(ctx, C, A, B, s, alpha, beta);
  } else {
    matmul_f64(ctx, C, A, B, s, alpha, beta);
  }
}

template <class T>
void matmul_acc(Ctx& ctx, acc_t<T>* C, const T* A, const T* B, const MatmulShape& s, acc_t<T> alpha, acc_t<T> beta) {
  if constexpr (std::is_same_v<T, bf16>) {
    if (s.M == 0 || s.N == 0) return;
    if (s.K == 0) return scale_result(ctx, C, s, beta);
    bf16_product(ctx, C, A, B, s, alpha, beta);
  } else {
    matmul<T>(ctx, C, A, B, s, alpha, beta);
  }
}

int64_t bf16_matmul_scratch(int threads, const MatmulShape& s) {
  if (s.M == 0 || s.N == 0 || s.K == 0) return 0;
  return is_few_rows(s) ? s.M * (s.K + s.N) : bf16_slots(threads, s) * bf16_slot_size(s);
}

LL_INSTANTIATE(matmul);
LL_INSTANTIATE(matmul_acc);

}  // namespace lowland::LL_CPU

#include "kernels/lora_linear.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"
#include "kernels/cpu/philox_row.h"
#include "kernels/matmul.h"

namespace lowland::LL_CPU {
namespace {

// A tile is what one thread drops at a time; it stays in the second-level cache. Columns are multiples of 64,
// the draws of one vector pass.
constexpr int64_t kForwardRows = 64, kForwardColumns = 512;
constexpr int64_t kBackwardRows = 256, kBackwardColumns = 128;

// Threads share what there is to do: the forward blocks of rows, the backward strips of columns.
int64_t forward_blocks(const LoraInput& in) { return (in.N + kForwardRows - 1) / kForwardRows; }
int64_t backward_strips(const LoraInput& in) { return (in.M + kBackwardColumns - 1) / kBackwardColumns; }

struct Tile {
  int64_t row, rows, column, columns;
};

// f of one row of a tile.
template <class T> void row_factors(T* f, const LoraInput& in, const Tile& t, int64_t i) {
  const DropoutRows& d = in.dropout;
  const int64_t n = t.row + i;
  const RowDraws row{key_of(d.draws), static_cast<uint32_t>(d.example[n]), static_cast<uint32_t>(d.position[n])};
  keep_factors(f, row, static_cast<uint32_t>(t.column / 8), t.columns, drop_threshold(d.p), keep_scale<T>(d.p));
}

Ctx single(const Ctx& ctx) {
  Ctx one = ctx;
  one.threads = 1;
  return one;
}

// Gives each of min(threads, items) workers its share of `elements` of scratch and a run of the items.
template <class T, class F> void with_tiles(Ctx& ctx, int64_t items, int64_t elements, const F& fn) {
  const int64_t workers = least(ctx.threads, items);
  if (workers == 0) return;
  const int64_t size = elements / workers;
  Scratch scratch(ctx);
  T* memory = scratch.array<T>(elements);
  parallel_for(ctx, workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w)
      for (int64_t i = items * w / workers; i < items * (w + 1) / workers; ++i) fn(memory + w * size, i);
  });
}

// rows x columns of a matrix, `ld` apart, as A = acc_t<T> with rows `ld_to` apart: itself, or widened into `to`.
template <class T> struct Widened {
  using A = acc_t<T>;
  const A* data;
  int64_t ld;
  Widened(A* to, int64_t ld_to, const T* from, int64_t ld_from, int64_t rows, int64_t columns) {
    if constexpr (std::is_same_v<T, A>) {
      data = from;
      ld = ld_from;
    } else {
      convert_rows(to, ld_to, from, ld_from, rows, columns);
      data = to;
      ld = ld_to;
    }
  }
};

}  // namespace

// In bf16 the operands of a tile are widened, and xa is summed in f32: all in the masters' type but what is stored.
template <class T> int64_t lora_linear_down_forward_scratch(int threads, const LoraInput& in) {
  const int64_t widened = std::is_same_v<T, acc_t<T>> ? 0 : in.KR * (kForwardRows + kForwardColumns);
  return in.dropout.p == 0 ? 0 : least(threads, forward_blocks(in)) * (kForwardRows * kForwardColumns + widened);
}

template <class T> int64_t lora_linear_down_backward_scratch(int threads, const LoraInput& in) {
  const int64_t widened = std::is_same_v<T, acc_t<T>> ? 0 : in.KR * (kBackwardRows + kBackwardColumns);
  return in.dropout.p == 0 ? 0 : least(threads, backward_strips(in)) * (2 * kBackwardRows * kBackwardColumns + widened);
}

template <class T> void lora_linear_down_forward(Ctx& ctx, T* xa, const T* x, const T* a, const LoraInput& in) {
  const int64_t N = in.N, M = in.M, KR = in.KR;
  using A = acc_t<T>;
  if (in.dropout.p == 0)
    return matmul(ctx, xa, x, a, {.trans_b = Trans::yes, .M = N, .N = KR, .K = M, .lda = M, .ldb = M, .ldc = KR}, A(1),
                  A(0));
  const int64_t elements = lora_linear_down_forward_scratch<T>(ctx.threads, in);
  with_tiles<A>(ctx, forward_blocks(in), elements, [&](A* xd, int64_t block) {
    constexpr bool kWidens = !std::is_same_v<T, A>;
    A *a_wide = xd + kForwardRows * kForwardColumns, *sums = a_wide + KR * kForwardColumns;  // only there in bf16
    Ctx one = single(ctx);
    const int64_t row = block * kForwardRows, rows = least(kForwardRows, N - row);
    for (int64_t column = 0; column < M; column += kForwardColumns) {
      const Tile t{row, rows, column, least(kForwardColumns, M - column)};
      for (int64_t i = 0; i < rows; ++i) {
        A* to = xd + i * kForwardColumns;
        const T* from = x + (row + i) * M + column;
        row_factors(to, in, t, i);
#pragma omp simd
        for (int64_t c = 0; c < t.columns; ++c) to[c] *= wide(from[c]);
      }
      const Widened<T> down(a_wide, kForwardColumns, a + column, M, KR, t.columns);
      const MatmulShape shape{
          .trans_b = Trans::yes, .M = rows, .N = KR, .K = t.columns, .lda = kForwardColumns, .ldb = down.ld, .ldc = KR};
      A* to = sums;
      if constexpr (!kWidens) to = xa + row * KR;
      matmul(one, to, static_cast<const A*>(xd), down.data, shape, A(1), column == 0 ? A(0) : A(1));
    }
    if constexpr (kWidens)
      for (int64_t i = 0; i < rows * KR; ++i) xa[row * KR + i] = narrow<T>(sums[i]);
  });
}

namespace {

// One tile of the backward: f is drawn once and serves both gradients. `memory` has room for two tiles, and in bf16 for
// the widened operands.
template <class T>
void backward_tile(Ctx& one, T* dx, acc_t<T>* da, const T* dxa, const T* x, const T* a, const LoraInput& in,
                   const Tile& t, acc_t<T> beta, acc_t<T>* memory) {
  using A = acc_t<T>;
  const int64_t M = in.M, KR = in.KR, ld = kBackwardColumns;
  A *f = memory, *work = f + kBackwardRows * ld, *dxa_wide = work + kBackwardRows * ld;
  const Widened<T> up(dxa_wide, KR, dxa + t.row * KR, KR, t.rows, KR);
  const Widened<T> down(dxa_wide + kBackwardRows * KR, ld, a + t.column, M, KR, t.columns);
  for (int64_t i = 0; i < t.rows; ++i) row_factors(f + i * ld, in, t, i);
  if (da != nullptr) {
    for (int64_t i = 0; i < t.rows; ++i) {
      const T* from = x + (t.row + i) * M + t.column;
#pragma omp simd
      for (int64_t c = 0; c < t.columns; ++c) work[i * ld + c] = f[i * ld + c] * wide(from[c]);
    }
    matmul(one, da + t.column, up.data, static_cast<const A*>(work),
           {.trans_a = Trans::yes, .M = KR, .N = t.columns, .K = t.rows, .lda = KR, .ldb = ld, .ldc = M}, A(1), A(1));
  }
  if (dx != nullptr) {
    matmul(one, work, up.data, down.data, {.M = t.rows, .N = t.columns, .K = KR, .lda = KR, .ldb = down.ld, .ldc = ld},
           A(1), A(0));
    for (int64_t i = 0; i < t.rows; ++i) {
      T* to = dx + (t.row + i) * M + t.column;
      if (beta == A(0)) {
#pragma omp simd
        for (int64_t c = 0; c < t.columns; ++c) to[c] = narrow<T>(f[i * ld + c] * work[i * ld + c]);
      } else {
#pragma omp simd
        for (int64_t c = 0; c < t.columns; ++c) to[c] = narrow<T>(wide(to[c]) + f[i * ld + c] * work[i * ld + c]);
      }
    }
  }
}

}  // namespace

template <class T>
void lora_linear_down_backward(Ctx& ctx, T* dx, acc_t<T>* da, const T* dxa, const T* x, const T* a, const LoraInput& in,
                               acc_t<T> beta) {
  using A = acc_t<T>;
  const int64_t N = in.N, M = in.M, KR = in.KR;
  if (in.dropout.p == 0) {
    if (da != nullptr)
      matmul_acc<T>(ctx, da, dxa, x, {.trans_a = Trans::yes, .M = KR, .N = M, .K = N, .lda = KR, .ldb = M, .ldc = M},
                    A(1), A(1));
    if (dx != nullptr) matmul(ctx, dx, dxa, a, {.M = N, .N = M, .K = KR, .lda = KR, .ldb = M, .ldc = M}, A(1), beta);
    return;
  }
  if (da == nullptr && dx == nullptr) return;
  // Threads take columns, so that each sum over the rows belongs to one of them.
  const int64_t elements = lora_linear_down_backward_scratch<T>(ctx.threads, in);
  with_tiles<A>(ctx, backward_strips(in), elements, [&](A* memory, int64_t strip) {
    Ctx one = single(ctx);
    const int64_t column = strip * kBackwardColumns, columns = least(kBackwardColumns, M - column);
    for (int64_t row = 0; row < N; row += kBackwardRows) {
      const Tile t{row, least(kBackwardRows, N - row), column, columns};
      backward_tile(one, dx, da, dxa, x, a, in, t, beta, memory);
    }
  });
}

LL_INSTANTIATE(lora_linear_down_forward_scratch);
LL_INSTANTIATE(lora_linear_down_backward_scratch);
LL_INSTANTIATE(lora_linear_down_forward);
LL_INSTANTIATE(lora_linear_down_backward);

}  // namespace lowland::LL_CPU

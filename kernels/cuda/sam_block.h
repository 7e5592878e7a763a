// A block's part of kernels/sam.h: partial sums of kSamBlock elements; the sum of a segment; E of kSamBlock elements.
#pragma once
#include "kernels/cuda/find_row.h"
#include "kernels/cuda/sum_squares_block.h"
#include "kernels/sam.h"

namespace lowland::cuda {

static_assert(kSamBlock == kSquaresTile);

// What a block has of its segment: `size` elements from `first` on.
struct SamPart {
  int64_t segment, first, size;
};

template <class Block> LL_HD SamPart sam_part(Block& b, const SamTable& table, int64_t* row) {
  const int64_t k = find_row(b, row, table.count,
                             [&](int64_t i) { return i < table.count ? table.segments[i].block : table.blocks; });
  const SamSegment d = table.segments[k];
  const int64_t first = (b.index() - d.block) * kSamBlock, rest = d.size - first;
  return {k, first, rest < kSamBlock ? rest : kSamBlock};
}

// partial: (blocks) doubles. row: find_row's.
template <class Block, class T>
LL_HD void sam_squares(Block& b, double* partial, const T* g, const SamTable& table, int64_t* row) {
  const SamPart part = sam_part(b, table, row);
  const T* from = g + table.segments[part.segment].begin + part.first;
  const double sum =
      aligned16(from) ? squares_of_tile<kVector<T>>(b, from, part.size) : squares_of_tile<1>(b, from, part.size);
  b.each([&](int t) {
    if (t == 0) partial[b.index()] = sum;
  });
}

// Block k adds segment k.
template <class Block>
LL_HD void sam_add_segment(Block& b, double* squares, const double* partial, const SamTable& table) {
  const int64_t k = b.index(), first = table.segments[k].block;
  const int64_t end = k + 1 < table.count ? table.segments[k + 1].block : table.blocks;
  add_partials(b, squares + k, partial + first, end - first);
}

template <int W, class Block, class T> LL_HD void scale_tile(Block& b, T* y, const T* x, T factor, int64_t n) {
  b.each([&](int t) {
    const int64_t whole = n / W * W;
    for (int64_t i = int64_t{t} * W; i < whole; i += int64_t{Block::kThreads} * W) {
      const Chunk<T, W> in = load_chunk<W>(x + i);
      store_each<W>(y + i, [&](int j) { return factor * in[j]; });
    }
    if (whole + t < n) y[whole + t] = factor * x[whole + t];
  });
}

template <class Block, class T>
LL_HD void sam_scale(Block& b, T* e_a, T* e_b, const double* squares, const T* g, const SamTable& table, bool joint,
                     double along, const StepScalars* s, int64_t* row) {
  const SamPart part = sam_part(b, table, row);
  const SamSegment d = table.segments[part.segment];
  double norm2 = squares[part.segment];
  if (joint) {
    norm2 = 0;
    for (int64_t i = 0; i < table.count; ++i) norm2 += squares[i];
  }
  const T factor = static_cast<T>(norm2 > 0 ? along * s->rho / sqrt(norm2) : 0.0);
  const T* from = g + d.begin + part.first;
  T* to = (d.of_b != 0 ? e_b : e_a) + d.at + part.first;
  if (aligned16(from) && aligned16(to))
    scale_tile<kVector<T>>(b, to, from, factor, part.size);
  else
    scale_tile<1>(b, to, from, factor, part.size);
}

}  // namespace lowland::cuda

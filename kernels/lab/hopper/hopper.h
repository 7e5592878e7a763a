// What an SM 9.0 adds to kernels/cuda/mma.h, for bodies that are written once and run on the GPU and on the host: tiles
// that the copy engine (TMA) brings into shared memory, barriers there at which copies and threads arrive, products of
// a warpgroup (wgmma) that read shared memory by descriptor, and groups of warps that each have a part of their own.
//
// A body has one function for each part. `Group` is the threads that run it, a Block of kernels/cuda/block.h with
//   wait(barrier, parity)                     until the phase of that parity is over; the phase before the first has 1
//   arrive_each_warp(barrier)                 one arrival of each warp of the group
//   expect(barrier, bytes)                    one arrival, and so many bytes more before the phase is complete
//   copy(map, barrier, to, column, head, row) asks for the box of `map` there; its bytes arrive at the barrier
//   fence_async()                             what this thread stored is seen by copies and products that follow
//   settle(p)                                 registers of a left operand are written before any product that follows
//   sync_all()                                all groups that take part in the products meet
//   address(p)                                of shared memory, as a descriptor has it
// Products<Group> are the group's products under way:
//   begin(b, sums)                            before a first product, and after registers of it were written otherwise
//   rows(b, sums, x, y, adds)                 sums (64, N) (+)= x (64, 16) y (N, 16)^T, both by row_operand
//   pairs(b, sums, p, y)                      sums (64, N) += p (64, 16), registers, times y (16, N), a column_operand
//   commit(b)                                 closes a group of products
//   wait<n>(b, sums...)                       until at most the n newest groups are under way. Before that no operand
//                                             may be written and no sum be read
// The device's form is in device_hopper.cuh; the host's, in host_hopper.h, lets parts run in any order, copies land
// late and products read late, as late as a GPU may.
#pragma once
#include <string>

#include "kernels/common/error.h"
#include "kernels/cuda/attention_mma.h"

namespace lowland::hopper {

using cuda::Pairs;
using cuda::Sums;

inline constexpr int kGroupThreads = 128;  // of a warpgroup
inline constexpr int kPanel = 64;          // columns of bf16 that a swizzled row of 128 bytes holds

struct Barrier {
  uint64_t word;  // the host: count, pending, phase, bytes
};

// 16-byte chunk c of row r of a panel stands at chunk c ^ r % 8: eight rows of a column meet no bank twice. Of byte
// offsets from a multiple of 1024 bytes.
LL_HD inline uint32_t swizzle(uint32_t offset) { return offset ^ ((offset >> 7 & 7u) << 4); }

// A tile of kRows rows and W columns in shared memory: panels of 64 columns, one after another.
template <int kRows, int W> struct Tile {
  static_assert(kRows % 8 == 0 && W % kPanel == 0);
  static constexpr int kPanels = W / kPanel, kPanelBytes = kRows * 128, kBytes = kPanels * kPanelBytes;
  static LL_HD uint32_t offset(int row, int column) {  // in bytes
    return static_cast<uint32_t>(column / kPanel * kPanelBytes) +
           swizzle(static_cast<uint32_t>(row * 128 + column % kPanel * 2));
  }
};

// The 64 bits by which a product finds an operand: bits 0 to 13 its address, 16 to 29 and 32 to 45 two strides, all in
// units of 16 bytes; bits 62 and 63 the swizzle, 1 of 128 bytes (PTX ISA 8.x, matrix descriptor of wgmma).
LL_HD inline uint64_t operand(uint32_t address, int leading, int stride) {
  return uint64_t{address >> 4 & 0x3fffu} | static_cast<uint64_t>(leading >> 4) << 16 |
         static_cast<uint64_t>(stride >> 4) << 32 | uint64_t{1} << 62;
}
// The operand so many bytes further on. No address needs more than its field, so one addition of 32 bits does.
LL_HD inline uint64_t advanced(uint64_t descriptor, int bytes) {
  return (descriptor & ~uint64_t{0xffffffffu}) |
         (static_cast<uint32_t>(descriptor) + static_cast<uint32_t>(bytes >> 4));
}
// Rows of the tile are rows of the operand: from `row` on, a multiple of 8, columns k to k + 15. The leading stride is
// not read; 8 rows are `stride` apart.
template <class T> LL_HD uint64_t row_operand(uint32_t tile, int row, int k) {
  return advanced(operand(tile + static_cast<uint32_t>(row * 128), 16, 1024),
                  k / kPanel * T::kPanelBytes + k % kPanel * 2);
}
// Columns of the tile are rows of the operand (N-major): its rows k to k + 15. 64 columns are `leading` apart, 8 rows
// `stride`.
template <class T> LL_HD uint64_t column_operand(uint32_t tile, int k) {
  return advanced(operand(tile, T::kPanelBytes, 1024), k * 128);
}

// A matrix (rows, heads, HD) whose rows are `stride` elements apart, and the box of it that one copy brings: 64 columns
// of one head of box_rows rows. What is beyond its last row arrives as zeros.
struct TileMap {
  const bf16* data;
  int64_t rows, heads, HD, stride;
  int box_rows;
};
// As the driver wants it, the innermost dimension first.
struct MapFields {
  uint64_t size[3], stride[2];  // elements; bytes, of the outer two
  uint32_t box[3];
};
inline MapFields fields_of(const TileMap& m) {
  const auto bytes = [](int64_t n) { return static_cast<uint64_t>(n) * sizeof(bf16); };
  return {{static_cast<uint64_t>(m.HD), static_cast<uint64_t>(m.heads), static_cast<uint64_t>(m.rows)},
          {bytes(m.HD), bytes(m.stride)},
          {kPanel, 1, static_cast<uint32_t>(m.box_rows)}};
}
// Throws Error where the copy engine cannot take the matrix.
inline void check_map(const TileMap& m) {
  const MapFields f = fields_of(m);
  const bool fits = m.rows > 0 && m.heads > 0 && m.HD % kPanel == 0 && f.size[2] <= uint64_t{1} << 32 &&
                    f.stride[0] % 16 == 0 && f.stride[1] % 16 == 0 && f.stride[1] < uint64_t{1} << 40 &&
                    reinterpret_cast<uintptr_t>(m.data) % 16 == 0 && f.box[2] <= 256 && f.box[2] % 8 == 0;
  if (!fits)
    fail("[lab] the copy engine takes rows at multiples of 16 bytes and heads of 64 or 128 columns, got heads of " +
         std::to_string(m.HD) + " in rows of " + std::to_string(m.stride));
}

// The n-th use of a ring of kStages places. A place is filled in a phase of its full barrier and given back in one of
// its empty barrier: the reader waits for full at parity(), the writer for empty at parity() ^ 1.
template <int kStages> struct Ring {
  uint32_t n = 0;
  LL_HD int stage() const { return static_cast<int>(n % kStages); }
  LL_HD uint32_t parity() const { return n / kStages & 1; }
  LL_HD void next() { ++n; }
};
template <int kStages> struct RingBarriers { Barrier full[kStages], empty[kStages]; };

// Pieces of work, heaviest first, for `blocks` blocks that stay: rounds go forth and back, so that a block that had the
// heaviest of one round has the lightest of the next. The number of this block's piece of round `round`, perhaps beyond
// the last.
LL_HD inline int64_t piece_of(int64_t round, int64_t block, int64_t blocks) {
  return round * blocks + (round % 2 == 0 ? block : blocks - 1 - block);
}
// As kernels/cuda/attention_work.h orders them, but the rows after the last segment come last: they are no work, and no
// block shall have more of that than another.
LL_HD inline cuda::Work work_at(int64_t piece, int64_t tiles, int64_t heads, const AttentionShape& shape,
                                bool for_keys) {
  const int64_t pairs = shape.S * heads, after = piece - pairs * tiles;
  if (after >= 0) return {shape.S, after / tiles, after % tiles};
  if (!shape.causal) return {piece / tiles / heads, piece / tiles % heads, piece % tiles};
  const int64_t rank = piece / pairs, pair = piece % pairs;
  return {pair / heads, pair % heads, for_keys ? rank : tiles - 1 - rank};
}

template <class Group> class Products;

// Rows [begin, end) of a tile become zeros, by both groups that use it, before any product reads it: rows of another
// segment weigh nothing, but nothing times infinity is not zero.
template <class T, int kGroups, class Group>
LL_HD void clear_rows(Group& b, int group, uint8_t* tile, int begin, int end) {
  b.each([&](int t) {
    const int per_row = T::kPanels * 8, count = (end - begin) * per_row;
    for (int at = group * kGroupThreads + t; at < count; at += kGroups * kGroupThreads)
      cuda::store_vec(reinterpret_cast<bf16*>(tile + T::offset(begin + at / per_row, at % per_row * 8)),
                      cuda::Vec<bf16>{});
    b.fence_async();
  });
}

// sums (64, N) = rows `row` to row + 63 of x times the rows of y, all of their W columns.
template <class X, class Y, int W, class Group, class S>
LL_HD void multiply_tiles(Group& b, Products<Group>& products, S& sums, const uint8_t* x, int row, const uint8_t* y) {
  const uint32_t from = b.address(x), other = b.address(y);
  LL_UNROLL for (int k = 0; k < W; k += 16)
      products.rows(b, sums, row_operand<X>(from, row, k), row_operand<Y>(other, 0, k), k > 0);
}
// sums (64, N) += p (64, kRows) y, y of kRows rows.
template <class Y, int kRows, class Group, class S, class P>
LL_HD void multiply_pairs(Group& b, Products<Group>& products, S& sums, P* p, const uint8_t* y) {
  const uint32_t from = b.address(y);
  LL_UNROLL for (int k = 0; k < kRows; k += 16) products.pairs(b, sums, p[k / 16], column_operand<Y>(from, k));
}
// Sums as the left operand of a product, rounded to bf16.
template <int K, class Group, class S, class P> LL_HD void pack_sums(Group& b, P* p, S& sums) {
  b.each([&](int t) {
    LL_UNROLL for (int k = 0; k < K / 16; ++k) {
      const cuda::Quad &left = sums[t].c[0][2 * k], &right = sums[t].c[0][2 * k + 1];
      p[k][t].r[0] = cuda::pack_bf16(left.v[0], left.v[1]);
      p[k][t].r[1] = cuda::pack_bf16(left.v[2], left.v[3]);
      p[k][t].r[2] = cuda::pack_bf16(right.v[0], right.v[1]);
      p[k][t].r[3] = cuda::pack_bf16(right.v[2], right.v[3]);
      b.settle(p[k][t]);
    }
  });
}

// out (rows, W) = sums times factor(t, half), by way of `stage`, 64 rows of a tile from `first` on of which each warp
// uses its own 16.
template <class T, int W, class Group, class S, class Factor>
LL_HD void store_rows(Group& b, const S& sums, uint8_t* stage, int first, bf16* out, int64_t stride, int rows,
                      const Factor& factor) {
  b.sync_warp();
  b.each([&](int t) {
    LL_UNROLL for (int half = 0; half < 2; ++half) {
      const float f = factor(t, half);
      const int row = first + cuda::row_of(t, 1, 0, half);
      LL_UNROLL for (int n = 0; n < W / 8; ++n) {
        const cuda::Quad& sum = sums[t].c[0][n];
        *reinterpret_cast<uint32_t*>(stage + T::offset(row, 8 * n + cuda::column_of(t))) =
            cuda::pack_bf16(f * sum.v[2 * half], f * sum.v[2 * half + 1]);
      }
    }
  });
  b.sync_warp();
  b.each([&](int t) {
    for (int at = t % cuda::kWarp; at < 16 * W / 8; at += cuda::kWarp) {
      const int row = t / cuda::kWarp * 16 + at / (W / 8), c = at % (W / 8) * 8;
      if (row < rows)
        cuda::store_vec(out + row * stride + c,
                        cuda::load_vec(reinterpret_cast<const bf16*>(stage + T::offset(first + row, c))));
    }
  });
}

}  // namespace lowland::hopper

// Products with a weight in blocks on tensor cores, block by block on the host: against f64 on the numbers that the
// blocks stand for, rounded to bf16.
#include "kernels/cuda/frozen_matmul_block.h"

#include <doctest/doctest.h>

#include "tests/cuda/cuda_values.h"
#include "tests/ops/block_weights.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

template <int MT, bool kByRows> void run_blocks(const FrozenProduct& product) {
  using Body = FrozenMma<HostBlock<kMmaThreads>, MT, kByRows>;
  std::vector<Vec<uint8_t>> shared(Body::kShared / 16);
  for (int64_t i = 0; i < Body::blocks(product); ++i) {
    std::memset(static_cast<void*>(shared.data()), 0xff, shared.size() * 16);
    HostBlock<kMmaThreads> block(i, Body::blocks(product));
    Body(block, product, shared[0].v).run();
  }
}

// A block's arrays begin at 16 bytes, as the device's do.
struct Rows {
  std::vector<Vec<bf16>> memory;
  explicit Rows(const std::vector<bf16>& from) : memory(from.size() / 8 + 1) {
    std::memcpy(static_cast<void*>(memory.data()), from.data(), from.size() * sizeof(bf16));
  }
  bf16* data() { return memory[0].v; }
};

struct Sizes {
  int64_t M, O, I, beyond = 0;  // rows of A, and of the weight, its width; columns between rows of A and C
};

// C (M, N) = 0.5 A op(W) + beta C
void check_product(BlockType type, const Sizes& s, bool by_rows, float beta) {
  const BlockWeight w = block_weight(type, s.O, s.I, 7);
  const int64_t N = by_rows ? s.O : s.I, K = by_rows ? s.I : s.O;
  const MatmulShape shape{.trans_b = by_rows ? Trans::yes : Trans::no,
                          .M = s.M,
                          .N = N,
                          .K = K,
                          .lda = K + s.beyond,
                          .ldb = s.I,
                          .ldc = N + s.beyond};
  const auto a = random_typed<bf16>(s.M * shape.lda, 1), c = random_typed<bf16>(s.M * shape.ldc, 2);
  Rows A(a), C(c);
  FrozenProduct p = frozen_product(C.data(), A.data(), w.bytes.data(), type, shape, 0.5f, beta);
  std::vector<float> partial(p.parts > 1 ? p.parts * s.M * N : 0, NAN);
  if (p.parts > 1) p.partial = partial.data();
  if (frozen_row_tiles(s.M) == 1)
    by_rows ? run_blocks<1, true>(p) : run_blocks<1, false>(p);
  else
    by_rows ? run_blocks<2, true>(p) : run_blocks<2, false>(p);
  for (int64_t i = 0; p.parts > 1 && i < s.M * N; ++i) add_frozen_parts(p, i);
  const Values numbers = to_double(typed<bf16>(w.values)), rows = to_double(a), before = to_double(c);
  Values want = before, got = to_double(std::vector<bf16>(C.data(), C.data() + c.size()));
  for (int64_t m = 0; m < s.M; ++m)
    for (int64_t n = 0; n < N; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < K; ++k) sum += rows[m * shape.lda + k] * numbers[by_rows ? n * s.I + k : k * s.I + n];
      double& out = want[m * shape.ldc + n];
      out = 0.5 * sum + (beta == 0 ? 0 : beta * out);
    }
  CHECK(difference(got, want).to_largest(1) <= rounding<bf16>(64));
}

// Widths are whole blocks; int8 takes any.
int64_t width(BlockType type, int64_t I) {
  const int64_t unit = block_values(type);
  return (I + unit - 1) / unit * unit;
}

}  // namespace

TEST_CASE("frozen_matmul: tiles of blocks of each type, both ways") {
  for (const BlockType type : kBlockTypes) {
    CAPTURE(name_of(type));
    for (const bool by_rows : {true, false}) {
      CAPTURE(by_rows);
      check_product(type, {3, 70, width(type, 129)}, by_rows, 0);
      check_product(type, {1, 5, width(type, 33), 8}, by_rows, 1);
    }
  }
}

TEST_CASE("frozen_matmul: odd sizes, tiles and parts of the sum") {
  for (const bool by_rows : {true, false}) {
    CAPTURE(by_rows);
    check_product(DType::int8, {1, 1, 1}, by_rows, 0);
    check_product(DType::int8, {65, 67, 131, 3}, by_rows, 1);
    check_product(DType::q4_0, {64, 64, 64}, by_rows, 0);
    check_product(DType::q8_0, {129, 65, 96, 8}, by_rows, 1);
    check_product(DType::nf4, {2, 650, 640}, by_rows, 1);  // two parts
  }
  CHECK(frozen_parts(1, 64, 64 * 7) == 1);
  CHECK(frozen_parts(1, 64, 64 * 9) == 2);
  CHECK(frozen_parts(1, 4096, 4096) == 4);
  CHECK(frozen_parts(256, 14336, 4096) == 1);
}

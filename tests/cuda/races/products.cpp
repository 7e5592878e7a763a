#include "kernels/cuda/frozen_matmul_block.h"
#include "tests/cuda/races/race_run.h"

namespace lowland::test {
namespace {

using namespace lowland::cuda;

// Three tiles of the sum: each of the two buffers is filled again.
template <int MT, bool kByRows> void frozen_product_race(Run& run) {
  const int64_t O = kByRows ? 40 : 140, M = kByRows ? 140 : 40, rows = 64 * MT - 3;
  const MatmulShape shape{.trans_b = kByRows ? Trans::yes : Trans::no,
                          .M = rows,
                          .N = kByRows ? O : M,
                          .K = kByRows ? M : O,
                          .lda = 144,
                          .ldb = M,
                          .ldc = 40};
  const int64_t row = row_bytes(DType::int8, M);
  const float scale = 2;
  std::vector<std::byte> blocks(O * row);
  for (int64_t i = 0; i < O * row; ++i) blocks[i] = static_cast<std::byte>(i * 7);
  for (int64_t o = 0; o < O; ++o) std::memcpy(blocks.data() + o * row, &scale, sizeof scale);
  const std::byte* weight = run.given(blocks);
  const bf16* a = run.numbers<bf16>(rows * 144);
  bf16* c = run.results<bf16>(rows * 40);
  const FrozenProduct p = frozen_product(c, a, weight, DType::int8, shape, 1, 0);
  run.blocks<kMmaThreads>(1, FrozenMma<HostBlock<kMmaThreads>, MT, kByRows>::kShared, [&](auto& b, void* shared) {
    FrozenMma<std::remove_reference_t<decltype(b)>, MT, kByRows>(b, p, static_cast<uint8_t*>(shared)).run();
  });
}

}  // namespace

std::vector<RaceCase> product_race_cases() {
  return {{"frozen_matmul y, int8", frozen_product_race<1, true>},
          {"frozen_matmul dx, int8, 128 rows", frozen_product_race<2, false>}};
}

}  // namespace lowland::test

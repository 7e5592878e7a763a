// What the launchers compute at the sizes of real models: grids, shared memory, and where the last blocks read and
// write in arrays of more than 2^31 elements. Of those only the pages that are touched take memory.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include "kernels/common/launch_limits.h"
#include "kernels/cuda/attention_backward_fma.h"
#include "kernels/cuda/attention_backward_mma.h"
#include "kernels/cuda/attention_forward_fma.h"
#include "kernels/cuda/attention_forward_mma.h"
#include "kernels/cuda/cross_entropy_block.h"
#include "kernels/cuda/elementwise_block.h"
#include "kernels/cuda/gated_block.h"
#include "kernels/cuda/lora_linear_block.h"
#include "kernels/cuda/rms_norm_block.h"
#include "kernels/cuda/rope_block.h"
#include "kernels/cuda/sum_squares_block.h"
#include "kernels/swiglu.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

// Zeros, without room for them.
template <class T> class Vast {
 public:
  explicit Vast(int64_t n) : bytes_(static_cast<size_t>(n) * sizeof(T)) {
    void* p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(p != MAP_FAILED);
    data_ = static_cast<T*>(p);
  }
  ~Vast() { munmap(data_, bytes_); }
  Vast(const Vast&) = delete;
  Vast& operator=(const Vast&) = delete;
  T* data() { return data_; }
  T& operator[](int64_t i) { return data_[i]; }

 private:
  size_t bytes_;
  T* data_ = nullptr;
};

// bench's presets, in batches as large as a GPU of 141 GB could take: rows, segments, the longest; widths.
struct Preset {
  const char* name;
  int64_t N, S, longest, C, F, V, NH, NKV, HD;
};
const std::vector<Preset> kPresets = {{"roberta-base", 65536, 512, 512, 768, 3072, 50265, 12, 12, 64},
                                      {"roberta-large", 65536, 512, 512, 1024, 4096, 50265, 16, 16, 64},
                                      {"llama-110m", 131072, 256, 2048, 768, 2048, 32000, 12, 12, 64},
                                      {"llama-3.2-1b", 131072, 1024, 131072, 2048, 8192, 128256, 32, 8, 64},
                                      {"llama-3.2-3b", 131072, 1024, 131072, 3072, 8192, 128256, 24, 8, 128},
                                      {"llama-3.1-8b", 131072, 1024, 131072, 4096, 14336, 128256, 32, 8, 128},
                                      {"llama-2-7b", 65536, 1024, 4096, 4096, 11008, 32000, 32, 32, 128},
                                      {"llava-1.5-7b", 65536, 93, 1024, 4096, 11008, 32064, 32, 32, 128},
                                      {"clip-vit-large", 131072, 228, 577, 1024, 4096, 1, 16, 16, 64}};

void check_grids(const Preset& p) {
  CAPTURE(p.name);
  const auto fits = [](int64_t blocks) { CHECK_NOTHROW(checked_grid("a kernel", blocks)); };
  for (const int64_t width : {p.C, p.F, 2 * p.F}) {
    fits(tile_blocks<8>(p.N, width));
    fits(tile_blocks<1>(p.N, width));
    fits((p.N * width + kMapTile<bf16, 1> - 1) / kMapTile<bf16, 1>);
    fits((p.N * width + kSquaresTile - 1) / kSquaresTile);
    fits((p.N + kLoraRows - 1) / kLoraRows * ((width + kLoraColumns - 1) / kLoraColumns));
    CHECK_NOTHROW(check_row_length("a norm", width));
    with_row_plan<bf16>(width, true, [&](auto plan) {
      CHECK(width <= plan.kMostColumns);
      fits((p.N + plan.kRows - 1) / plan.kRows);
      if (plan.kRows > 1) CHECK(2 * width * static_cast<int64_t>(sizeof(float)) <= 48 * 1024);  // sum_over_rows
    });
  }
  fits((p.S + 1) * p.NH * tiles_of(p.longest, p.N, 64));
  CHECK_NOTHROW(check_head_size(p.HD));
  CHECK(p.N * (p.NH + 2 * p.NKV) * p.HD < int64_t{1} << 31);  // offsets that cuDNN takes are 32 bits
  const RopeShape rope{.N = p.N, .stride = (p.NH + 2 * p.NKV) * p.HD, .heads = p.NH + p.NKV, .HD = p.HD};
  const int64_t rows = rope_rows_per_block<bf16, 8>(rope), narrow = rope_rows_per_block<bf16, 1>(rope);
  CHECK(rope_shared_bytes<bf16>(rope, rows) <= 48 * 1024);
  CHECK(rope_shared_bytes<bf16>(rope, narrow) <= 48 * 1024);
  fits((p.N + narrow - 1) / narrow);
}

using FmaBlock = HostBlock<kFmaThreads>;
using MmaBlock = HostBlock<kMmaThreads>;
template <class T, int W> int most_shared_fma() {
  return std::max({ForwardFma<FmaBlock, T, W>::kShared, BackwardFma<FmaBlock, T, W, true>::kShared,
                   BackwardFma<FmaBlock, T, W, false>::kShared});
}
template <int W, int MT> int most_shared_mma() {
  return std::max({ForwardMma<MmaBlock, W, MT, true>::kShared, BackwardMma<MmaBlock, W, MT, 32, true, true>::kShared,
                   BackwardMma<MmaBlock, W, MT, 32, false, true>::kShared});
}

}  // namespace

TEST_CASE("large shapes: grids, rows and shared memory of every preset") {
  for (const Preset& p : kPresets) check_grids(p);
  CHECK_THROWS_WITH(checked_grid("a kernel", int64_t{1} << 31),
                    "[a kernel] 2147483648 blocks are more than a GPU launches at once");
  // sm_80 and sm_90 give a block 163 KB and more, the others from sm_86 on 99 KB.
  constexpr int kEverywhere = 99 * 1024, kLarge = 163 * 1024;
  CHECK(std::max({most_shared_fma<float, 32>(), most_shared_fma<float, 64>(), most_shared_fma<float, 96>(),
                  most_shared_fma<float, 128>()}) <= kEverywhere);
  CHECK(std::max(most_shared_fma<double, 64>(), most_shared_fma<double, 128>()) <= kLarge);
  CHECK(BackwardMma<MmaBlock, 128, 2, 32, false, false>::kShared <= kLarge);  // elsewhere dq goes with one m-tile
  CHECK(std::max({most_shared_mma<32, 1>(), most_shared_mma<64, 1>(), most_shared_mma<64, 2>(),
                  most_shared_mma<80, 1>(), most_shared_mma<96, 1>(), most_shared_mma<128, 1>()}) <= kEverywhere);
}

TEST_CASE("large shapes: the last rows of swiglu and rms_norm at 8B widths") {
  const int64_t N = 131072, F = 14336, C = 4096, last = N - 1;
  Vast<bf16> x(N * 2 * F), y(N * F);  // 3.8e9 and 1.9e9 elements
  for (int64_t f = 0; f < F; ++f) {
    x[last * 2 * F + f] = bf16(1.0f);
    x[last * 2 * F + F + f] = bf16(static_cast<float>(f % 64));
  }
  const int64_t across = tiles_across<8>(F), blocks = tile_blocks<8>(N, F);
  for (int64_t i = blocks - across; i < blocks; ++i) {
    HostBlock<kTileThreads> b(i, blocks);
    gated_forward_tile<8>(b, Silu<DeviceMath<bf16>>(), y.data(), x.data(), N, F);
  }
  CHECK(float(y[last * F + F - 1]) == doctest::Approx((F - 1) % 64 / (1 + std::exp(-1.0))).epsilon(0.01));
  CHECK(float(y[(last - 1) * F + 1]) == 0);

  with_row_plan<bf16>(C, true, [&](auto plan) {
    using Plan = decltype(plan);
    const std::vector<bf16> w(C, bf16(3.0f));
    std::vector<float> rstd(N);
    HostBlock<Plan::kThreads> b((N - 1) / Plan::kRows);
    rms_norm_forward_rows<Plan>(
        b, RmsNormForward<bf16>{y.data(), rstd.data(), x.data() + last * 2 * F - last * C, w.data(), N, C, 1e-5f});
  });
  CHECK(float(y[last * C + C - 1]) == doctest::Approx(3).epsilon(0.01));
}

TEST_CASE("large shapes: the last row of logits, and sums of squares, beyond 2^32 elements") {
  const int64_t N = 33500, V = 128256, last = N - 1;
  Vast<bf16> x(N * V);  // 4.3e9 elements
  Vast<int32_t> target(N);
  std::vector<float> lse(N);
  std::vector<double> loss(N);
  x[last * V + 77] = bf16(20.0f);
  target[last] = 77;
  HostBlock<512> b(last, N);
  cross_entropy_forward_row(b, CrossEntropyForward<bf16>{lse.data(), loss.data(), x.data(), target.data(), {N, V}});
  CHECK(lse[last] == doctest::Approx(20 + std::log1p((V - 1) * std::exp(-20.0))));
  CHECK(loss[last] == doctest::Approx(std::log1p((V - 1) * std::exp(-20.0))).epsilon(0.1));

  const int64_t tiles = (N * V + kSquaresTile - 1) / kSquaresTile;
  std::vector<double> partial(tiles);
  x[N * V - 1] = bf16(3.0f);
  HostBlock<kSquaresThreads> end(tiles - 1, tiles);
  squares_tile<8>(end, partial.data(), static_cast<const bf16*>(x.data()), N * V);
  CHECK(partial[tiles - 1] == 9);

  const int64_t n = N * V, maps = (n + kMapTile<bf16, 8> - 1) / kMapTile<bf16, 8>;
  HostBlock<kMapThreads> map(maps - 1, maps);
  map_tile<8>(
      map, x.data(), n, [](float v) { return v + 1; }, Inputs<bf16, 1>{{x.data()}});
  CHECK(float(x[n - 1]) == 4);
}

TEST_CASE("large shapes: rope turns the last row of a long batch") {
  const RopeShape shape{.N = 400000, .stride = 6144, .heads = 40, .HD = 128};  // 2.4e9 elements
  Vast<bf16> x(shape.N * shape.stride);
  Vast<int32_t> position(shape.N);
  const std::vector<float> f(64, 1.0f);
  const int64_t last = shape.N - 1, at = last * shape.stride + 39 * 128;
  position[last] = 1;
  x[at] = bf16(1.0f);
  RopeRows<bf16> rows{x.data(), position.data(), f.data(), shape, rope_rows_per_block<bf16, 8>(shape)};
  std::vector<Vec<float>> shared(rope_shared_bytes<bf16>(shape, rows.rows) / 16 + 1);
  HostBlock<kRopeThreads> b(last / rows.rows);
  rope_rows<8>(b, shared[0].v, rows);
  CHECK(float(x[at]) == doctest::Approx(std::cos(1.0)).epsilon(0.01));
  CHECK(float(x[at + 64]) == doctest::Approx(std::sin(1.0)).epsilon(0.01));
}

TEST_CASE("large shapes: what a GPU would trap at is refused on the host as well") {
  const std::vector<Vec<float>> numbers(2);
  const float* p = numbers[0].v;
  CHECK(load_chunk<4>(p)[0] == 0);
  CHECK_THROWS_WITH(load_chunk<4>(p + 1),
                    "[cuda] 16 bytes are moved at an address that is 4 bytes past a multiple of that");
  CHECK_THROWS_WITH(load_vec(p + 2), doctest::Contains("8 bytes past"));
  std::vector<Vec<float>> out(2);
  CHECK_THROWS(store_chunk(out[0].v + 3, load_chunk<4>(p)));
}

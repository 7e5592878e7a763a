// kernels/lab/hopper and the attention on it: layouts, descriptors and protocols on the host, where copies land late
// and products read late (host_hopper.h).
#include <doctest/doctest.h>

#include <set>

#include "kernels/lab/attention/hopper_on_host.h"
#include "tests/cuda/attention_cases.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::hopper;
using namespace lowland::test;

namespace {

using Copying = HostCopying;
using Computing = HostComputing;

Values dense(const bf16* data, int64_t stride, int64_t rows, int64_t columns) {
  Values out;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t c = 0; c < columns; ++c) out.push_back(static_cast<double>(static_cast<float>(data[i * stride + c])));
  return out;
}

// ||x - y|| / ||y||; NaN never passes a bound.
double distance(const Values& x, const Values& y) {
  double sum = 0, norm = 0;
  if (x.size() != y.size()) return std::nan("");
  for (size_t i = 0; i < x.size(); ++i) {
    sum += (x[i] - y[i]) * (x[i] - y[i]);
    norm += y[i] * y[i];
  }
  return std::sqrt(sum) / std::max(std::sqrt(norm), 1e-2 * std::sqrt(static_cast<double>(y.size())));
}

std::vector<AttentionCase> hopper_cases() {
  std::vector<AttentionCase> cases;
  for (const bool causal : {false, true}) {
    for (const int32_t n : {1, 65, 257})
      cases.push_back({.nq = {n}, .nk = {n}, .NH = 1, .NKV = 1, .HD = 64, .causal = causal});
    cases.push_back(
        {.nq = {40, 0, 133, 7}, .nk = {40, 0, 133, 7}, .NH = 4, .NKV = 2, .HD = 64, .causal = causal, .tail = 150});
    cases.push_back({.nq = {300}, .nk = {300}, .NH = 2, .NKV = 1, .HD = 128, .causal = causal});
    cases.push_back(
        {.nq = {3, 33, 0, 9}, .nk = {70, 330, 5, 0}, .NH = 4, .NKV = 1, .HD = 128, .causal = causal, .tail = 3});
  }
  cases.push_back({.nq = {129, 64}, .nk = {50, 128}, .NH = 1, .NKV = 1, .HD = 64});  // more queries than keys
  for (const int32_t window : {1, 33, 128})
    cases.push_back(
        {.nq = {133, 0, 270}, .nk = {133, 5, 300}, .NH = 2, .NKV = 1, .HD = 64, .causal = true, .window = window});
  for (AttentionCase& c : cases)
    c.name = "nq0 " + std::to_string(c.nq[0]) + " HD " + std::to_string(c.HD) + (c.causal ? " causal" : "") +
             " window " + std::to_string(c.window);
  return cases;
}

struct Problem {
  AttentionData<bf16> d;
  Values q, k, v, dout;
  decltype(reference::attention_forward(q, k, v, d.shape)) saved;

  explicit Problem(const AttentionCase& c)
      : d(c),
        q(dense(d.in.q.data, d.in.q.stride, d.shape.NQ, c.NH * c.HD)),
        k(dense(d.in.k.data, d.in.k.stride, d.shape.NK, c.NKV * c.HD)),
        v(dense(d.in.v.data, d.in.v.stride, d.shape.NK, c.NKV * c.HD)),
        dout(dense(d.dout.data(), d.out_stride, d.shape.NQ, c.NH * c.HD)),
        saved(reference::attention_forward(q, k, v, d.shape)) {}
};

constexpr double kBf16Bound = 5e-3;  // as in attention_block_test.cpp

}  // namespace

TEST_CASE("hopper: a tile's layout is one to one, and eight rows of a column meet no bank twice") {
  using T = Tile<128, 128>;
  std::set<uint32_t> seen;
  for (int row = 0; row < 128; ++row)
    for (int c = 0; c < 128; c += 8) {
      const uint32_t at = T::offset(row, c);
      CHECK((at % 16 == 0 && at < static_cast<uint32_t>(T::kBytes)));
      for (int e = 1; e < 8; ++e) CHECK(T::offset(row, c + e) == at + 2 * static_cast<uint32_t>(e));
      seen.insert(at);
    }
  CHECK(seen.size() == 128 * 16);
  for (int c = 0; c < 128; c += 8)
    for (int row = 0; row < 128; row += 8) {
      std::set<uint32_t> banks;
      for (int r = 0; r < 8; ++r) banks.insert(T::offset(row + r, c) % 128);
      CHECK(banks.size() == 8);
    }
}

TEST_CASE("hopper: fields of descriptors") {
  using T = Tile<128, 128>;
  // at 2048: row 64 of the second panel, columns 80 to 95; 8 rows are 1024 bytes apart
  const uint64_t rows = row_operand<T>(2048, 64, 80);
  CHECK((rows & 0x3fff) * 16 == 2048 + 128 * 128 + 64 * 128 + 32);
  CHECK((rows >> 32 & 0x3fff) * 16 == 1024);
  CHECK((rows >> 62) == 1);
  CHECK((rows >> 49 & 7) == 0);  // no base offset: tiles begin at multiples of 1024 bytes
  const uint64_t columns = column_operand<T>(2048, 48);
  CHECK((columns & 0x3fff) * 16 == 2048 + 48 * 128);
  CHECK((columns >> 16 & 0x3fff) * 16 == 128 * 128);
  CHECK((columns >> 32 & 0x3fff) * 16 == 1024);
  CHECK((ForwardHopper<128>::kShared <= 227 * 1024 && BackwardHopper<128, true>::kShared <= 227 * 1024));
}

TEST_CASE("hopper: what copies bring is what products find") {
  constexpr int kRows = 64, W = 128;
  using T = Tile<kRows, W>;
  const int64_t heads = 2, stride = heads * W + 8;
  const std::vector<bf16> x = random_typed<bf16>(100 * stride, 1);
  const TileMap map{x.data(), 90, heads, W, stride, kRows};
  SharedMemory shared(T::kBytes + 1024);
  HostTeam team{Turns(1), shared.at(), 0, 1};
  auto* barrier = reinterpret_cast<Barrier*>(shared.at() + T::kBytes);
  start_barrier(barrier, 1);
  team.turns.run({[&] {
    Copying b(team);
    b.expect(barrier, T::kBytes);
    for (int panel = 0; panel < T::kPanels; ++panel)
      b.copy(map, barrier, shared.at() + panel * T::kPanelBytes, panel * kPanel, 1, 40);
    b.wait(barrier, 0);
  }});
  const auto value = [&](int row, int c) {  // rows beyond the matrix are zeros
    return 40 + row < 90 ? static_cast<float>(x[static_cast<size_t>((40 + row) * stride + W + c)]) : 0.0f;
  };
  for (int k = 0; k < W; k += 16)
    for (int row = 0; row < kRows; row += 8)
      for (int i = 0; i < kRows - row; ++i)
        for (int e = 0; e < 16; ++e)
          CHECK(operand_element(shared.at(), row_operand<T>(0, row, k), false, i, e) == value(row + i, k + e));
  for (int k = 0; k < kRows; k += 16)
    for (int n = 0; n < W; ++n)
      for (int e = 0; e < 16; ++e)
        CHECK(operand_element(shared.at(), column_operand<T>(0, k), true, n, e) == value(k + e, n));
  for (int row = 0; row < kRows; ++row)
    for (int c = 0; c < W; ++c) {
      bf16 own;
      std::memcpy(static_cast<void*>(&own), shared.at() + T::offset(row, c), 2);
      CHECK(static_cast<float>(own) == value(row, c));
    }
}

TEST_CASE("hopper: what the copy engine takes") {
  const std::vector<cuda::Vec<bf16>> memory(8);
  const bf16* data = memory[0].v;
  for (const auto& [NH, NKV, HD] : {std::array<int64_t, 3>{32, 8, 128}, {32, 8, 64}, {16, 16, 64}}) {
    const int64_t width = (NH + 2 * NKV) * HD;
    const TileMap map{data, 2 * 131072, NH, HD, width, 128};
    check_map(map);
    const MapFields f = fields_of(map);
    CHECK((f.size[0] == static_cast<uint64_t>(HD) && f.size[1] == static_cast<uint64_t>(NH)));
    CHECK((f.stride[0] == static_cast<uint64_t>(2 * HD) && f.stride[1] == static_cast<uint64_t>(2 * width)));
    CHECK(f.box[0] * sizeof(bf16) == 128);  // the swizzle's width
  }
  CHECK_THROWS_AS(check_map({data, 10, 2, 80, 240, 128}), Error);
  CHECK_THROWS_AS(check_map({data, 10, 2, 64, 385, 128}), Error);
  CHECK_THROWS_AS(check_map({data + 1, 10, 2, 64, 384, 128}), Error);
}

TEST_CASE("hopper: blocks that stay take each tile once, and as much of a causal batch as the others") {
  AttentionShape shape;
  const std::vector<int32_t> cu = {0, 4096, 8192};
  shape.S = 2;
  shape.NQ = shape.NK = 8192;
  shape.NH = 32;
  shape.cu_q = shape.cu_k = cu.data();
  shape.causal = true;
  std::set<std::array<int, 3>> seen;
  int64_t most = 0, all = 0;
  for (int64_t block = 0; block < 132; ++block) {
    int64_t keys = 0;
    each_query_tile<128>(shape, 32, block, 132, [&](const cuda::Segment& seg, int head, int i0) {
      CHECK(seen.insert({seg.q0, head, i0}).second);
      keys += i0 / 128 + 1;
    });
    most = std::max(most, keys);
    all += keys;
  }
  CHECK(seen.size() == 2 * 32 * 32);
  CHECK(static_cast<double>(all) / 132 / static_cast<double>(most) > 0.97);
}

TEST_CASE("hopper: parts that all wait, and an arrival too many, are errors") {
  SharedMemory shared(1024);
  auto* barrier = reinterpret_cast<Barrier*>(shared.at());
  start_barrier(barrier, 1);
  HostTeam team{Turns(1), shared.at(), 0, 1};
  const auto waits = [&] {
    Copying b(team);
    b.wait(barrier, 0);
  };
  CHECK_THROWS_AS(team.turns.run({waits, waits}), Error);
  HostTeam other{Turns(1), shared.at(), 0, 1};
  CHECK_THROWS_AS(other.turns.run({[&] {
    Copying b(other);
    b.expect(barrier, 16);
    b.expect(barrier, 16);
  }}),
                  Error);
}

TEST_CASE("hopper: a tile given back before its products were waited for gives a wrong result") {
  using T = Tile<64, 64>;
  const std::vector<bf16> x = random_typed<bf16>(128 * 64, 1);
  const TileMap map{x.data(), 128, 1, 64, 64, 64};
  const auto result = [&](bool early, uint64_t seed) {
    SharedMemory shared(T::kBytes + 1024);
    auto* barriers = reinterpret_cast<RingBarriers<1>*>(shared.at() + T::kBytes);
    start_barrier(&barriers->full[0], 1);
    start_barrier(&barriers->empty[0], kGroupThreads / cuda::kWarp);
    HostTeam team{Turns(seed), shared.at(), 0, 1};
    float sum = 0;
    team.turns.run({[&] {
                      Copying b(team);
                      for (uint32_t i = 0; i < 2; ++i) {
                        b.wait(&barriers->empty[0], (i & 1) ^ 1);
                        b.expect(&barriers->full[0], T::kBytes);
                        b.copy(map, &barriers->full[0], shared.at(), 0, 0, 64 * static_cast<int>(i));
                      }
                    },
                    [&] {
                      HostGroup<kGroupThreads, 1> b(team);
                      Products<HostGroup<kGroupThreads, 1>> products;
                      cuda::HostBlock<kGroupThreads>::PerThread<Sums<1, 8>> sums;
                      b.wait(&barriers->full[0], 0);
                      multiply_tiles<T, T, 64>(b, products, sums, shared.at(), 0, shared.at());
                      products.commit(b);
                      if (early) b.arrive_each_warp(&barriers->empty[0]);
                      products.wait<0>(b, sums);
                      if (!early) b.arrive_each_warp(&barriers->empty[0]);
                      sum = sums[0].c[0][0].v[0];
                      b.wait(&barriers->full[0], 1);
                    }});
    return sum;
  };
  float want = 0;
  for (int c = 0; c < 64; ++c)
    want += static_cast<float>(x[static_cast<size_t>(c)]) * static_cast<float>(x[static_cast<size_t>(c)]);
  int wrong = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    CHECK(std::fabs(result(false, seed) - want) < 1e-3f);
    const float got = result(true, seed);
    wrong += std::fabs(got - want) < 1e-3f ? 0 : 1;
  }
  CHECK(wrong > 0);
}

TEST_CASE("hopper: attention forward, in any order of its parts") {
  for (const AttentionCase& c : hopper_cases()) {
    CAPTURE(c.name);
    Problem p(c);
    const auto run = [&](int64_t blocks, uint64_t seed) {
      std::vector<bf16> o(static_cast<size_t>(p.d.shape.NQ * c.NH * c.HD), bf16(std::nanf("")));
      std::vector<float> lse(static_cast<size_t>(p.d.shape.NQ * c.NH), std::nanf(""));
      const cuda::ForwardArgs<bf16> args{{o.data(), c.NH * c.HD}, lse.data(), p.d.in, p.d.shape, 0, true};
      c.HD == 64 ? run_forward<64>(args, blocks, seed) : run_forward<128>(args, blocks, seed);
      return std::pair{to_double(o), to_double(lse)};
    };
    const auto [o, lse] = run(3, 1);
    CHECK(distance(o, p.saved.o) < kBf16Bound);
    CHECK(distance(lse, p.saved.lse) < 1e-5);
    const auto again = run(2, 2);
    CHECK((again.first == o && again.second == lse));  // neither on the order nor on the number of blocks
  }
}

TEST_CASE("hopper: attention backward, in any order of its parts") {
  for (const AttentionCase& c : hopper_cases()) {
    CAPTURE(c.name);
    Problem p(c);
    const AttentionShape& shape = p.d.shape;
    const auto [dq, dk, dv] = reference::attention_backward(p.dout, p.saved, p.q, p.k, p.v, shape);
    const std::vector<float> lse = typed<float>(p.saved.lse);
    std::vector<float> delta(lse.size());
    for (size_t i = 0; i < p.dout.size(); ++i)
      delta[i / static_cast<size_t>(c.HD)] += static_cast<float>(p.dout[i] * p.saved.o[i]);
    const auto run = [&](int64_t blocks, uint64_t seed) {
      const bf16 nothing(std::nanf(""));
      std::vector<bf16> gq(p.q.size(), nothing), gk(p.k.size(), nothing), gv(p.v.size(), nothing);
      const cuda::BackwardArgs<bf16> args{
          {{gq.data(), c.NH * c.HD}, {gk.data(), c.NKV * c.HD}, {gv.data(), c.NKV * c.HD}},
          {p.d.dout.data(), p.d.out_stride},
          lse.data(),
          delta.data(),
          p.d.in,
          shape,
          0,
          true};
      if (c.HD == 64) {
        run_backward<64, true>(args, blocks, seed);
        run_backward<64, false>(args, blocks, seed);
      } else {
        run_backward<128, true>(args, blocks, seed);
        run_backward<128, false>(args, blocks, seed);
      }
      return std::array<Values, 3>{to_double(gq), to_double(gk), to_double(gv)};
    };
    const auto got = run(3, 1);
    if (c.window != 1) {  // where q and k have no gradient, and only rounding is left of it
      CHECK(distance(got[0], dq) < kBf16Bound);
      CHECK(distance(got[1], dk) < kBf16Bound);
    }
    CHECK(distance(got[2], dv) < kBf16Bound);
    CHECK(run(2, 2) == got);
  }
}

TEST_CASE("hopper: what is not a number in one segment stays in it") {
  AttentionCase c{.nq = {70, 133, 66}, .nk = {70, 133, 66}, .NH = 1, .NKV = 1, .HD = 64, .causal = false};
  c.name = "three";
  Problem p(c);
  for (int64_t row = 70; row < 203; ++row)
    for (int64_t i = 0; i < 3 * 64; ++i) p.d.q_rows[static_cast<size_t>(row * p.d.q_stride + i)] = bf16(INFINITY);
  std::vector<bf16> o(static_cast<size_t>(p.d.shape.NQ * 64));
  std::vector<float> lse(static_cast<size_t>(p.d.shape.NQ));
  run_forward<64>({{o.data(), 64}, lse.data(), p.d.in, p.d.shape, 0, true}, 2, 5);
  Values got, want;
  for (size_t i = 0; i < o.size(); ++i) {
    if (i / 64 >= 70 && i / 64 < 203) continue;
    got.push_back(static_cast<double>(static_cast<float>(o[i])));
    want.push_back(p.saved.o[i]);
  }
  CHECK(distance(got, want) < kBf16Bound);
}

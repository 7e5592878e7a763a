// attention's CUDA bodies on the host, block by block, against kernels/reference and the CPU kernel.
#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <set>

#include "kernels/cuda/attention_backward_fma.h"
#include "kernels/cuda/attention_backward_mma.h"
#include "kernels/cuda/attention_forward_fma.h"
#include "kernels/cuda/attention_forward_mma.h"
#include "tests/cuda/attention_cases.h"
#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::test;

namespace {

struct AttentionResult {
  Values o, lse, dq, dk, dv;     // (NQ, NH HD), (NQ, NH), (NQ, NH HD), (NK, NKV HD) twice
  std::vector<bool> sees, seen;  // of the reference: (NQ) query sees a key, (NK) key is seen
};

template <class T> Values dense(const RowView<const T>& from, int64_t rows, int64_t columns) {
  std::vector<T> x;
  for (int64_t row = 0; row < rows; ++row)
    x.insert(x.end(), from.data + row * from.stride, from.data + row * from.stride + columns);
  return to_double(x);
}

template <class T> AttentionResult by_reference(const AttentionData<T>& d) {
  const AttentionShape& a = d.shape;
  const int64_t q_width = a.NH * a.HD, k_width = a.NKV * a.HD;
  const Values q = dense(d.in.q, a.NQ, q_width), k = dense(d.in.k, a.NK, k_width), v = dense(d.in.v, a.NK, k_width);
  const auto saved = reference::attention_forward(q, k, v, a);
  const auto [dq, dk, dv] =
      reference::attention_backward(dense<T>({d.dout.data(), d.out_stride}, a.NQ, q_width), saved, q, k, v, a);
  AttentionResult r{saved.o, saved.lse, dq, dk, dv, std::vector<bool>(a.NQ), std::vector<bool>(a.NK)};
  for (size_t s = 0; s < d.c.nq.size(); ++s)
    for (int32_t i = 0; i < d.c.nq[s]; ++i) {
      const int32_t nk = d.c.nk[s], keys = d.c.causal ? std::min(nk, nk - d.c.nq[s] + i + 1) : nk;
      r.sees[d.cu_q[s] + i] = keys > 0;
      const int32_t first = d.c.window > 0 ? std::max(keys - d.c.window, 0) : 0;
      for (int32_t j = first; j < keys; ++j) r.seen[d.cu_k[s] + j] = true;
    }
  return r;
}

// An output matrix, filled with NaN: what is not written shows.
template <class T> struct Output {
  std::vector<T> data;
  int64_t stride, width;
  Output(int64_t rows, int64_t columns, int64_t pad)
      : data(rows * (columns + pad), T(std::nanf(""))), stride(columns + pad), width(columns) {}
  RowView<T> rows() { return {data.data(), stride}; }
  Values values() const { return dense<T>({data.data(), stride}, data.size() / stride, width); }
};

// ||x - y|| / ||y||, for y of zeros (a softmax over one key) over that of hundredths. NaN never passes a bound.
double distance(const Values& x, const Values& y) {
  if (x.size() != y.size()) return std::nan("");
  double sum = 0, norm = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum += (x[i] - y[i]) * (x[i] - y[i]);
    norm += y[i] * y[i];
  }
  return std::sqrt(sum) / std::max(std::sqrt(norm), 1e-2 * std::sqrt(static_cast<double>(y.size())));
}

// Rows outside every segment, queries without keys and keys that no query sees: zeros.
bool zero_elsewhere(const Values& x, const std::vector<bool>& used) {
  const size_t width = x.size() / used.size();
  for (size_t i = 0; i < x.size(); ++i)
    if (!used[i / width] && x[i] != 0) return false;
  return true;
}

// bf16 keeps 8 bits: 2^-9 for a rounded result, as much again for the probabilities.
constexpr double kBf16Bound = 5e-3;

// Runs every block of a grid; shared memory holds NaN before each.
template <int kThreads, class Body> void run_grid(int64_t blocks, int shared, const Body& body) {
  std::vector<cuda::Vec<uint8_t>> memory(shared / 16 + 1);
  for (int64_t i = 0; i < blocks; ++i) {
    std::memset(memory.data(), 0xff, memory.size() * 16);
    cuda::HostBlock<kThreads> block(i, blocks);
    body(block, memory[0].v);
  }
}

template <int W, int MT, bool kDrops> void forward_mma(const cuda::ForwardArgs<bf16>& args, int64_t S, int64_t NH) {
  using Body = cuda::ForwardMma<cuda::HostBlock<cuda::kMmaThreads>, W, MT, kDrops>;
  cuda::ForwardArgs<bf16> a = args;
  a.tiles = cuda::tiles_of(args.shape.max_q, args.shape.NQ, Body::kQueries);
  run_grid<cuda::kMmaThreads>((S + 1) * NH * a.tiles, Body::kShared,
                              [&](auto& block, uint8_t* shared) { Body(block, a, shared).run(); });
}

template <int MT, bool kDrops> void forward_mma(const cuda::ForwardArgs<bf16>& args) {
  const int64_t HD = args.shape.HD, S = args.shape.S, NH = args.shape.NH;
  if (HD <= 32) return forward_mma<32, MT, kDrops>(args, S, NH);
  if (HD <= 64) return forward_mma<64, MT, kDrops>(args, S, NH);
  if (HD <= 80) return forward_mma<80, MT, kDrops>(args, S, NH);
  if (HD <= 96) return forward_mma<96, MT, kDrops>(args, S, NH);
  forward_mma<128, MT, kDrops>(args, S, NH);
}

template <int MT> AttentionResult forward_mma(AttentionData<bf16>& d) {
  Output<bf16> o(d.shape.NQ, d.c.NH * d.c.HD, d.c.pad);
  Output<float> lse(d.shape.NQ, d.c.NH, 0);
  const cuda::ForwardArgs<bf16> args{o.rows(), lse.data.data(), d.in, d.shape, 0, d.c.HD % 8 == 0 && d.c.pad % 8 == 0};
  d.c.p > 0 ? forward_mma<MT, true>(args) : forward_mma<MT, false>(args);
  AttentionResult r;
  r.o = o.values();
  r.lse = lse.values();
  return r;
}

template <class T> std::vector<acc_t<T>> delta_of(const AttentionData<T>& d, const RowView<const T>& o, bool vectors) {
  std::vector<acc_t<T>> delta(d.shape.NQ * d.c.NH);
  run_grid<256>(static_cast<int64_t>(delta.size() + 31) / 32, 0, [&](auto& block, uint8_t*) {
    cuda::attention_delta<cuda::HostBlock<256>, T>(block, delta.data(), {d.dout.data(), d.out_stride}, o, d.shape,
                                                   vectors);
  });
  return delta;
}

template <int W, int MT, int kOther, bool kDrops> void backward_mma(cuda::BackwardArgs<bf16> args) {
  using Block = cuda::HostBlock<cuda::kMmaThreads>;
  using Keys = cuda::BackwardMma<Block, W, MT, kOther, true, kDrops>;
  using Queries = cuda::BackwardMma<Block, W, MT, kOther, false, kDrops>;
  const AttentionShape& shape = args.shape;
  args.tiles = cuda::tiles_of(shape.max_k, shape.NK, Keys::kOwn);
  run_grid<cuda::kMmaThreads>((shape.S + 1) * shape.NKV * args.tiles, Keys::kShared,
                              [&](auto& block, uint8_t* shared) { Keys(block, args, shared).run(); });
  args.tiles = cuda::tiles_of(shape.max_q, shape.NQ, Queries::kOwn);
  run_grid<cuda::kMmaThreads>((shape.S + 1) * shape.NH * args.tiles, Queries::kShared,
                              [&](auto& block, uint8_t* shared) { Queries(block, args, shared).run(); });
}

template <int MT, int kOther, bool kDrops> void backward_mma(const cuda::BackwardArgs<bf16>& args) {
  const int64_t HD = args.shape.HD;
  if (HD <= 32) return backward_mma<32, MT, kOther, kDrops>(args);
  if (HD <= 64) return backward_mma<64, MT, kOther, kDrops>(args);
  if (HD <= 80) return backward_mma<80, MT, kOther, kDrops>(args);
  if (HD <= 96) return backward_mma<96, MT, kOther, kDrops>(args);
  backward_mma<128, MT, kOther, kDrops>(args);
}

// From the forward's own o and lse. dq stands in do's memory, as it may.
template <int MT, int kOther> AttentionResult backward_mma(AttentionData<bf16>& d) {
  const bool vectors = d.c.HD % 8 == 0 && d.c.pad % 8 == 0;
  Output<bf16> o(d.shape.NQ, d.c.NH * d.c.HD, d.c.pad), dq = o, dk(d.shape.NK, d.c.NKV * d.c.HD, d.c.pad), dv = dk;
  Output<float> lse(d.shape.NQ, d.c.NH, 0);
  const cuda::ForwardArgs<bf16> forward{o.rows(), lse.data.data(), d.in, d.shape, 0, vectors};
  d.c.p > 0 ? forward_mma<1, true>(forward) : forward_mma<1, false>(forward);
  const std::vector<float> delta = delta_of<bf16>(d, {o.data.data(), o.stride}, vectors);
  dq.data = d.dout;
  const cuda::BackwardArgs<bf16> args{{dq.rows(), dk.rows(), dv.rows()},
                                      {dq.data.data(), dq.stride},
                                      lse.data.data(),
                                      delta.data(),
                                      d.in,
                                      d.shape,
                                      0,
                                      vectors};
  d.c.p > 0 ? backward_mma<MT, kOther, true>(args) : backward_mma<MT, kOther, false>(args);
  return {{}, {}, dq.values(), dk.values(), dv.values(), {}, {}};
}

void check_gradients(const AttentionResult& got, const AttentionResult& right, double bound) {
  CHECK(distance(got.dq, right.dq) < bound);
  CHECK(distance(got.dk, right.dk) < bound);
  CHECK(distance(got.dv, right.dv) < bound);
  CHECK(zero_elsewhere(got.dq, right.sees));
  CHECK(zero_elsewhere(got.dk, right.seen));
  CHECK(zero_elsewhere(got.dv, right.seen));
}

template <class T, int W>
void run_fma(cuda::ForwardArgs<T> forward, cuda::BackwardArgs<T> backward, const std::function<std::vector<T>()>& delta,
             std::vector<T>& deltas) {
  using Block = cuda::HostBlock<cuda::kFmaThreads>;
  using Forward = cuda::ForwardFma<Block, T, W>;
  using Keys = cuda::BackwardFma<Block, T, W, true>;
  using Queries = cuda::BackwardFma<Block, T, W, false>;
  const AttentionShape& shape = forward.shape;
  const int64_t segments = shape.S + 1;
  forward.tiles = cuda::tiles_of(shape.max_q, shape.NQ, Keys::kOwn);
  run_grid<cuda::kFmaThreads>(segments * shape.NH * forward.tiles, Forward::kShared,
                              [&](auto& block, uint8_t* shared) { Forward(block, forward, shared).run(); });
  deltas = delta();
  backward.delta = deltas.data();
  backward.tiles = cuda::tiles_of(shape.max_k, shape.NK, Keys::kOwn);
  run_grid<cuda::kFmaThreads>(segments * shape.NKV * backward.tiles, Keys::kShared,
                              [&](auto& block, uint8_t* shared) { Keys(block, backward, shared).run(); });
  backward.tiles = forward.tiles;
  run_grid<cuda::kFmaThreads>(segments * shape.NH * backward.tiles, Queries::kShared,
                              [&](auto& block, uint8_t* shared) { Queries(block, backward, shared).run(); });
}

template <class T> AttentionResult run_fma(AttentionData<T>& d) {
  const bool vectors = d.c.HD % 4 == 0 && d.c.pad % 4 == 0;
  Output<T> o(d.shape.NQ, d.c.NH * d.c.HD, d.c.pad), dq = o, dk(d.shape.NK, d.c.NKV * d.c.HD, d.c.pad), dv = dk;
  Output<T> lse(d.shape.NQ, d.c.NH, 0);
  dq.data = d.dout;  // dq stands in do's memory, as it may
  const cuda::ForwardArgs<T> forward{o.rows(), lse.data.data(), d.in, d.shape, 0, vectors};
  const cuda::BackwardArgs<T> backward{{dq.rows(), dk.rows(), dv.rows()},
                                       {dq.data.data(), dq.stride},
                                       lse.data.data(),
                                       nullptr,
                                       d.in,
                                       d.shape,
                                       0,
                                       vectors};
  const auto delta = [&] { return delta_of<T>(d, {o.data.data(), o.stride}, vectors); };
  std::vector<T> deltas;
  const auto width = d.c.HD <= 32   ? run_fma<T, 32>
                     : d.c.HD <= 64 ? run_fma<T, 64>
                     : d.c.HD <= 96 ? run_fma<T, 96>
                                    : run_fma<T, 128>;
  width(forward, backward, delta, deltas);
  return {o.values(), lse.values(), dq.values(), dk.values(), dv.values(), {}, {}};
}

// The CPU kernel on the same numbers.
template <class T> AttentionResult run_cpu(AttentionData<T>& d) {
  Ctx& ctx = cpu().kernels();
  AttentionShape shape = d.shape;
  shape.draws.key = philox_key(3, 5, 7);
  Output<T> o(d.shape.NQ, d.c.NH * d.c.HD, d.c.pad), dq = o, dk(d.shape.NK, d.c.NKV * d.c.HD, d.c.pad), dv = dk;
  Output<T> lse(d.shape.NQ, d.c.NH, 0);
  cpu_v3::attention_forward<T>(ctx, o.rows(), lse.data.data(), d.in, shape);
  cpu_v3::attention_backward<T>(ctx, {dq.rows(), dk.rows(), dv.rows()}, {d.dout.data(), d.out_stride},
                                {o.data.data(), o.stride}, lse.data.data(), d.in, shape);
  return {o.values(), lse.values(), dq.values(), dk.values(), dv.values(), {}, {}};
}

void check_all(const AttentionResult& got, const AttentionResult& right, double bound) {
  CHECK(distance(got.o, right.o) < bound);
  CHECK(distance(got.lse, right.lse) < bound);
  CHECK(distance(got.dq, right.dq) < bound);
  CHECK(distance(got.dk, right.dk) < bound);
  CHECK(distance(got.dv, right.dv) < bound);
}

template <class T> void check_fma(double bound) {
  for (const AttentionCase& c : attention_cases()) {
    CAPTURE(c.name);
    AttentionData<T> d(c);
    const AttentionResult got = run_fma(d), right = by_reference(d);
    if (c.window == 1 && sizeof(T) == 4) {  // q and k have no gradient, and in f32 only rounding is left of it
      CHECK(distance(got.o, right.o) < bound);
      CHECK(distance(got.dv, right.dv) < bound);
      continue;
    }
    check_all(got, right, bound);
    CHECK(zero_elsewhere(got.o, right.sees));
    CHECK(zero_elsewhere(got.lse, right.sees));
    check_gradients(got, right, bound);
    check_all(got, run_cpu(d), bound);
  }
}

}  // namespace

TEST_CASE("attention on the GPU: every tile has one block, and a causal segment's heaviest come first") {
  for (const bool causal : {false, true})
    for (const bool for_keys : {false, true}) {
      AttentionShape shape;
      shape.S = 3;
      shape.causal = causal;
      const int64_t tiles = 5, heads = 4, blocks = (shape.S + 1) * heads * tiles;
      std::set<std::array<int64_t, 3>> seen;
      int64_t before = for_keys ? 0 : tiles - 1;
      for (int64_t i = 0; i < blocks; ++i) {
        const cuda::Work w = cuda::work_of(i, tiles, heads, shape, for_keys);
        CHECK(
            (w.segment >= 0 && w.segment <= shape.S && w.head >= 0 && w.head < heads && w.tile >= 0 && w.tile < tiles));
        seen.insert({w.segment, w.head, w.tile});
        if (causal) CHECK((for_keys ? w.tile >= before : w.tile <= before));
        before = w.tile;
      }
      CHECK(static_cast<int64_t>(seen.size()) == blocks);
    }
}

TEST_CASE("attention in float and double: forward and backward") {
  check_fma<float>(1e-5);
  check_fma<double>(1e-12);
}

TEST_CASE("attention on tensor cores: backward") {
  for (const AttentionCase& c : attention_cases()) {
    CAPTURE(c.name);
    AttentionData<bf16> d(c);
    const AttentionResult right = by_reference(d);
    check_gradients(backward_mma<1, 32>(d), right, kBf16Bound);
    check_gradients(backward_mma<1, 64>(d), right, kBf16Bound);
    check_gradients(backward_mma<2, 32>(d), right, kBf16Bound);
  }
}

TEST_CASE("attention on tensor cores: forward") {
  for (const AttentionCase& c : attention_cases()) {
    CAPTURE(c.name);
    AttentionData<bf16> d(c);
    const AttentionResult right = by_reference(d), one = forward_mma<1>(d), two = forward_mma<2>(d);
    CHECK(distance(one.o, right.o) < kBf16Bound);
    CHECK(distance(one.lse, right.lse) < 1e-5);
    CHECK(zero_elsewhere(one.o, right.sees));
    CHECK(zero_elsewhere(one.lse, right.sees));
    CHECK(one.o == two.o);  // a query's result does not depend on how many share its block
    CHECK(one.lse == two.lse);
  }
}

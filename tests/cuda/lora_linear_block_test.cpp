// The skinny products of lora_linear with dropout, block by block, against kernels/reference.
#include "kernels/cuda/lora_linear_block.h"

#include <doctest/doctest.h>

#include <vector>

#include "tests/cuda/cuda_values.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

struct Case {
  int64_t N, M, KR;
  double p = 0.1;
};

template <class A> struct Shared {
  explicit Shared(int n) : memory(n + 32 / sizeof(A)) {}
  A* data() {
    auto at = reinterpret_cast<uintptr_t>(memory.data());
    return reinterpret_cast<A*>((at + 31) / 32 * 32);
  }
  std::vector<A> memory;
};

// Relative to the largest entry: sums cancel.
template <class T> double error_to_largest(const std::vector<T>& a, const Values& ref) {
  return difference(a, ref).to_largest();
}

template <int W, int KT, class T> void check(const Case& c, double tolerance) {
  using A = acc_t<T>;
  CAPTURE(c.N);
  CAPTURE(c.M);
  CAPTURE(c.KR);
  const auto x = random_typed<T>(c.N * c.M, 1), a = random_typed<T>(c.KR * c.M, 2);
  const auto dxa = random_typed<T>(c.N * c.KR, 3);
  std::vector<int32_t> example, position;
  for (int64_t n = 0; n < c.N; ++n) {
    example.push_back(static_cast<int32_t>(n / 7));
    position.push_back(static_cast<int32_t>(n % 7));
  }
  const uint64_t step = 5;
  DropoutRows rows{c.p, {{}, 42, 9, &step}, example.data(), position.data()};
  std::vector<T> xa(c.N * c.KR, T(9.0f)), dx = random_typed<T>(c.N * c.M, 4);
  const LoraInput shape{c.N, c.M, c.KR, rows};
  const Values xa_ref = reference::lora_linear_down_forward(to_double(x), to_double(a), shape);
  const auto ref = reference::lora_linear_down_backward(to_double(dxa), to_double(x), to_double(a), shape);
  const Values dx_ref = reference::add(to_double(dx), ref.dx);
  std::vector<T> written(dx.size(), T(NAN));
  const LoraDown<T> in{x.data(), a.data(), drops_of<A>(rows), c.N, c.M, c.KR};
  const LoraDown<T> no_x{nullptr, a.data(), in.drops, c.N, c.M, c.KR};
  Shared<A> shared(kLoraShared<KT>);
  const int64_t run = 32, runs = (c.N + run - 1) / run, across = (c.M + kLoraColumns - 1) / kLoraColumns;
  std::vector<A> partial(runs * c.KR * c.M, A(NAN));
  std::vector<T> alone = dx;
  for (int64_t k0 = 0; k0 < c.KR; k0 += KT) {
    const int64_t blocks = (c.N + kLoraRows - 1) / kLoraRows;
    for (int64_t i = 0; i < blocks; ++i) {
      HostBlock<kLoraThreads> b(i, blocks);
      lora_down_forward_rows<W, KT>(b, shared.data(), xa.data(), in, k0);
    }
    for (int64_t i = 0; i < runs * across; ++i) {
      HostBlock<kLoraThreads> b(i, runs * across);
      lora_down_backward_tile<W, KT>(b, shared.data(), {dx.data(), partial.data(), dxa.data(), run, true}, in, k0);
      lora_down_backward_tile<W, KT>(b, shared.data(), {alone.data(), nullptr, dxa.data(), run, true}, no_x, k0);
      lora_down_backward_tile<W, KT>(b, shared.data(), {written.data(), nullptr, dxa.data(), run, false}, no_x, k0);
    }
  }
  std::vector<A> da(a.size());
  for (size_t i = 0; i < partial.size(); ++i) da[i % da.size()] += partial[i];
  CHECK(error_to_largest(xa, xa_ref) <= tolerance);
  CHECK(error_to_largest(da, ref.dA) <= (sizeof(T) == 2 ? 1e-5 : tolerance));  // exact products, sums in f32
  CHECK(error_to_largest(dx, dx_ref) <= tolerance);
  CHECK(error_to_largest(written, ref.dx) <= tolerance);
  CHECK(to_double(alone) == to_double(dx));
}

}  // namespace

TEST_CASE("lora_linear on the GPU: odd sizes, one element at a time") {
  for (const Case& c : {Case{1, 1, 1}, {31, 33, 3}, {33, 257, 20, 0.5}, {50, 31, 16, 1.0}}) {
    check<1, 16, float>(c, 2e-6);
    check<1, 16, double>(c, 1e-13);
    check<1, 16, bf16>(c, 6e-3);
  }
}

TEST_CASE("lora_linear on the GPU: 16-byte loads, ranks of one, of a few and of many parts") {
  for (const Case& c : {Case{1, 8, 8}, {33, 264, 16}, {70, 768, 24, 0.05}, {17, 136, 70}}) {
    check<4, 16, float>(c, 2e-6);
    check<4, 64, float>(c, 2e-6);
    check<2, 16, double>(c, 1e-13);
    check<8, 16, bf16>(c, 6e-3);
    check<8, 64, bf16>(c, 6e-3);
  }
}

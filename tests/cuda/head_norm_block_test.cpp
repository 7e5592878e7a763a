// head_norm's kernels, block by block, against kernels/reference.
#include <doctest/doctest.h>

#include "kernels/cuda/head_norm_block.h"
#include "tests/cuda/row_launch.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

template <class T> void check(const HeadNormShape& s, bool wide) {
  using A = acc_t<T>;
  const int64_t heads = s.QH + s.KH, all = s.N * heads;
  CAPTURE(s.N);
  CAPTURE(s.HD);
  const std::vector<T> x = random_typed<T>(s.N * s.stride, 1, 2.0), dy = random_typed<T>(s.N * s.stride, 3);
  const std::vector<T> wq = random_typed<T>(s.HD, 2), wk = random_typed<T>(s.HD, 4);
  const HeadNormWeights<T> w{wq.data(), s.KH > 0 ? wk.data() : nullptr};
  const auto o = reference::head_norm_forward(to_double(x), to_double(wq), to_double(wk), s);
  const auto want = reference::head_norm_backward(to_double(dy), to_double(x), to_double(wq), to_double(wk), o.rstd, s);
  std::vector<T> y = x, dx = dy;
  std::vector<A> rstd(all, A(99)), dwq(wq.size(), A(0.5)), dwk = dwq, dwq_again = dwq, dwk_again = dwq;
  with_row_plan<T>(s.HD, wide, [&](auto plan) {
    using Plan = decltype(plan);
    host_over_rows<Plan>(all, [&](auto& b) {
      head_norm_forward_heads<Plan>(b, HeadNormForward<T>{y.data(), rstd.data(), x.data(), w, s});
    });
    HeadNormBackward<T> args{dx.data(), dx.data(), x.data(), w, rstd.data(), s};  // dx over dy
    const auto sums = [&](auto& b, A* shared, const PartialSums<A>& to) {
      head_norm_backward_heads<Plan, true>(b, shared, args, to);
    };
    host_sum_over_rows<Plan, A, 2>({dwq.data(), s.KH > 0 ? dwk.data() : nullptr}, all, s.HD, sums);
    std::vector<T> alone = dy;
    args.dx = alone.data();
    args.dy = dy.data();
    host_over_rows<Plan>(all, [&](auto& b) {
      head_norm_backward_heads<Plan, false>(b, static_cast<A*>(nullptr), args, PartialSums<A>{nullptr, Plan::kRows});
    });
    args.dx = nullptr;
    host_sum_over_rows<Plan, A, 2>({dwq_again.data(), s.KH > 0 ? dwk_again.data() : nullptr}, all, s.HD, sums);
    CHECK(to_double(alone) == to_double(dx));
  });
  CHECK(dwq == dwq_again);
  CHECK(dwk == dwk_again);
  CHECK(error_of(y, o.y) <= rounding<T>(32));
  CHECK(error_of(rstd, o.rstd) <= rounding<A>(32));
  CHECK(error_of(dx, want.dx) <= rounding<T>(64));
  CHECK(error_of(dwq, added_to(0.5, want.dwq)) <= rounding<A>(64));
  if (s.KH > 0) CHECK(error_of(dwk, added_to(0.5, want.dwk)) <= rounding<A>(64));
}

template <class T> void check_all() {
  over_row_shapes<T>([](int64_t N, int64_t C, bool wide) {  // a norm of whole rows
    check<T>({.N = N, .stride = C, .HD = C, .QH = 1, .KH = 0, .eps = 1e-5f, .offset = 1}, wide);
  });
  for (const int64_t HD : {8, 64, 128, 256})
    check<T>({.N = 37, .stride = 7 * HD, .HD = HD, .QH = 3, .KH = 2, .eps = 1e-5f, .offset = 0}, true);
  check<T>({.N = 5, .stride = 3 * 33 + 4, .HD = 33, .QH = 2, .KH = 1, .eps = 1e-5f, .offset = 1}, false);
}

}  // namespace

TEST_CASE("cuda head_norm: every block, forward and backward") {
  check_all<float>();
  check_all<double>();
  check_all<bf16>();
}

// The kernels of rms_norm and add_rms_norm, block by block, against kernels/reference.
#include <cmath>

#include <doctest/doctest.h>

#include "kernels/cuda/add_rms_norm_block.h"
#include "tests/cuda/row_launch.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

template <class T> void check(int64_t N, int64_t C, bool wide_rows) {
  using A = acc_t<T>;
  CAPTURE(N);
  CAPTURE(C);
  const std::vector<T> x = random_typed<T>(N * C, 1, 2.0), w = random_typed<T>(C, 2), dy = random_typed<T>(N * C, 3);
  const auto o = reference::rms_norm_forward(to_double(x), to_double(w), N, C, 1e-5);
  const auto want = reference::rms_norm_backward(to_double(dy), to_double(x), to_double(w), o.rstd, N, C);
  std::vector<T> y(x.size(), T(99.0f)), dx = dy;
  std::vector<A> rstd(N, A(99)), dw(w.size(), A(0.5)), dw_again = dw;
  with_row_plan<T>(C, wide_rows, [&](auto plan) {
    using Plan = decltype(plan);
    host_over_rows<Plan>(N, [&](auto& b) {
      rms_norm_forward_rows<Plan>(b, RmsNormForward<T>{y.data(), rstd.data(), x.data(), w.data(), N, C, A(1e-5)});
    });
    RmsNormBackward<T> args{dx.data(), nullptr, dx.data(), x.data(), w.data(), rstd.data(), N, C};  // dx over dy
    host_sum_over_rows<Plan, A, 1>({dw.data()}, N, C, [&](auto& b, A* shared, const PartialSums<A>& to) {
      rms_norm_backward_rows<Plan, true>(b, shared, args, to);
    });
    std::vector<T> alone(x.size(), T(99.0f));
    args.dx = alone.data();
    args.dy = dy.data();
    host_over_rows<Plan>(N, [&](auto& b) {
      rms_norm_backward_rows<Plan, false>(b, static_cast<A*>(nullptr), args, PartialSums<A>{nullptr, Plan::kRows});
    });
    args.dx = nullptr;
    host_sum_over_rows<Plan, A, 1>({dw_again.data()}, N, C, [&](auto& b, A* shared, const PartialSums<A>& to) {
      rms_norm_backward_rows<Plan, true>(b, shared, args, to);
    });
    CHECK(to_double(alone) == to_double(dx));
  });
  CHECK(dw == dw_again);
  CHECK(error_of(y, o.y) <= rounding<T>(32));
  CHECK(error_of(rstd, o.rstd) <= rounding<A>(32));
  CHECK(error_of(dx, want.dx) <= rounding<T>(64));
  CHECK(error_of(dw, added_to(0.5, want.dw)) <= rounding<A>(64));
}

template <class T> void check_added(int64_t N, int64_t C, bool wide_rows) {
  using A = acc_t<T>;
  CAPTURE(N);
  CAPTURE(C);
  const std::vector<T> x = random_typed<T>(N * C, 1), residual = random_typed<T>(N * C, 2), w = random_typed<T>(C, 3);
  const std::vector<T> dy = random_typed<T>(N * C, 4), before = random_typed<T>(N * C, 5);
  std::vector<T> z(x.size(), T(99.0f)), y = z, dz = before, alone = dy;
  std::vector<A> rstd(N, A(99)), dw(w.size(), A(0.5));
  for (size_t i = 0; i < z.size(); ++i) z[i] = T(A(residual[i]) + A(x[i]));
  const Values sum = to_double(z);
  const auto o = reference::rms_norm_forward(sum, to_double(w), N, C, 1e-5f);
  const auto want = reference::add_rms_norm_backward(to_double(before), to_double(dy), sum, to_double(w), o.rstd, N, C);
  const auto want_alone = reference::rms_norm_backward(to_double(dy), sum, to_double(w), o.rstd, N, C);
  with_row_plan<T>(C, wide_rows, [&](auto plan) {
    using Plan = decltype(plan);
    const AddRmsNormForward<T> to{z.data(), y.data(), rstd.data(), x.data(), residual.data(), w.data(), N, C, 1e-5f};
    host_over_rows<Plan>(N, [&](auto& b) { add_rms_norm_forward_rows<Plan>(b, to); });
    CHECK(to_double(z) == sum);
    AddRmsNormBackward<T> back{dz.data(), nullptr, dy.data(), z.data(), w.data(), rstd.data(), N, C, true};
    host_sum_over_rows<Plan, A, 1>({dw.data()}, N, C, [&](auto& b, A* shared, const PartialSums<A>& sums) {
      add_rms_norm_backward_rows<Plan, true>(b, shared, back, sums);
    });
    back.dy = back.dz = alone.data();  // dz over dy
    back.adds = false;
    host_over_rows<Plan>(N, [&](auto& b) {
      add_rms_norm_backward_rows<Plan, false>(b, static_cast<A*>(nullptr), back, PartialSums<A>{nullptr, Plan::kRows});
    });
  });
  CHECK(error_of(y, o.y) <= rounding<T>(32));
  CHECK(error_of(rstd, o.rstd) <= rounding<A>(32));
  CHECK(error_of(dz, want.dx) <= rounding<T>(64));
  CHECK(error_of(alone, want_alone.dx) <= rounding<T>(64));
  // The error of a sum, by the size of what it adds up.
  const Values dws = added_to(0.5, want.dw);
  for (int64_t c = 0; c < C; ++c) {
    double size = 0.5;
    for (int64_t n = 0; n < N; ++n) size += std::abs(double(A(dy[n * C + c])) * sum[n * C + c] * o.rstd[n]);
    CHECK(std::abs(double(dw[c]) - dws[c]) <= rounding<A>(16) * size);
  }
}

}  // namespace

TEST_CASE("cuda add_rms_norm: every block, forward and backward") {
  over_row_shapes<float>(check_added<float>);
  over_row_shapes<double>(check_added<double>);
  over_row_shapes<bf16>(check_added<bf16>);
}

TEST_CASE("cuda rms_norm: every block, forward and backward") {
  over_row_shapes<float>(check<float>);
  over_row_shapes<double>(check<double>);
  over_row_shapes<bf16>(check<bf16>);
}

// rms_norm's kernels, block by block, against plain loops in double.
#include <doctest/doctest.h>

#include "kernels/cuda/rms_norm_block.h"
#include "tests/cuda/row_launch.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

struct Oracle {
  Values y, rstd, dx, dw;
};

Oracle oracle(const Values& x, const Values& w, const Values& dy, int64_t N, int64_t C, double eps) {
  Oracle o{Values(x.size()), Values(N), Values(x.size()), Values(w.size(), 0.5)};
  for (int64_t n = 0; n < N; ++n) {
    const double *xr = &x[n * C], *gr = &dy[n * C];
    double squares = 0, dot = 0;
    for (int64_t c = 0; c < C; ++c) squares += xr[c] * xr[c];
    const double r = 1 / std::sqrt(squares / static_cast<double>(C) + eps);
    o.rstd[n] = r;
    for (int64_t c = 0; c < C; ++c) dot += w[c] * gr[c] * xr[c];
    for (int64_t c = 0; c < C; ++c) {
      const int64_t i = n * C + c, k = c;
      o.y[i] = w[k] * xr[c] * r;
      o.dx[i] = r * (w[k] * gr[c] - xr[c] * r * r * dot / static_cast<double>(C));
      o.dw[k] += gr[c] * xr[c] * r;
    }
  }
  return o;
}

template <class T> void check(int64_t N, int64_t C, bool wide_rows) {
  using A = acc_t<T>;
  CAPTURE(N);
  CAPTURE(C);
  const std::vector<T> x = random_typed<T>(N * C, 1, 2.0), w = random_typed<T>(C, 2), dy = random_typed<T>(N * C, 3);
  const Oracle o = oracle(to_double(x), to_double(w), to_double(dy), N, C, 1e-5);
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
  CHECK(error_of(dx, o.dx) <= rounding<T>(64));
  CHECK(error_of(dw, o.dw) <= rounding<A>(64));
}

}  // namespace

TEST_CASE("cuda rms_norm: every block, forward and backward") {
  over_row_shapes<float>(check<float>);
  over_row_shapes<double>(check<double>);
  over_row_shapes<bf16>(check<bf16>);
}

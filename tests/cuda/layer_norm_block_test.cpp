// The kernels of layer_norm, add_layer_norm and dropout_add_layer_norm, block by block, against kernels/reference.
#include <doctest/doctest.h>

#include "kernels/cuda/add_layer_norm_block.h"
#include "kernels/cuda/dropout_add_layer_norm_block.h"
#include "tests/cuda/row_launch.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

constexpr double kEps = 1e-5;

template <class T> struct Case {
  using A = acc_t<T>;
  int64_t N, C;
  std::vector<T> x, w, b, dy, y, dx;
  std::vector<A> mean, rstd, dw, db;
  Case(int64_t rows, int64_t columns)
      : N(rows),
        C(columns),
        x(random_typed<T>(N * C, 1, 2.0)),
        w(random_typed<T>(C, 2)),
        b(random_typed<T>(C, 3)),
        dy(random_typed<T>(N * C, 4)),
        y(x.size(), T(99.0f)),
        dx(x.size(), T(99.0f)),
        mean(N, A(99)),
        rstd(mean),
        dw(w.size(), A(0.5)),
        db(w.size(), A(-0.5)) {}
};

template <class T> void check_layer_norm(int64_t N, int64_t C, bool wide_rows) {
  using A = acc_t<T>;
  CAPTURE(N);
  CAPTURE(C);
  Case<T> t(N, C);
  const auto o = reference::layer_norm_forward(to_double(t.x), to_double(t.w), to_double(t.b), N, C, kEps);
  const auto want = reference::layer_norm_backward(to_double(t.dy), o.h, to_double(t.w), o.rstd, N, C);
  with_row_plan<T>(C, wide_rows, [&](auto plan) {
    using Plan = decltype(plan);
    const LayerNormForward<T> to{t.y.data(), t.mean.data(), t.rstd.data(), t.x.data(), t.w.data(), t.b.data(), N,
                                 C,          kEps};
    host_over_rows<Plan>(N, [&](auto& b) { layer_norm_forward_rows<Plan>(b, to); });
    LayerNormBackward<T> back{t.dx.data(), nullptr,       nullptr,       t.dy.data(), t.x.data(),
                              t.w.data(),  t.mean.data(), t.rstd.data(), N,           C};
    host_over_rows<Plan>(N, [&](auto& b) {
      layer_norm_backward_rows<Plan, false>(b, static_cast<A*>(nullptr), back, PartialSums<A>{nullptr, Plan::kRows});
    });
    const std::vector<T> alone = t.dx;
    t.dx = t.dy;  // dx over dy
    back.dy = t.dx.data();
    host_sum_over_rows<Plan, A, 2>({t.dw.data(), t.db.data()}, N, C, [&](auto& b, A* shared, const auto& sums) {
      layer_norm_backward_rows<Plan, true>(b, shared, back, sums);
    });
    CHECK(to_double(alone) == to_double(t.dx));
  });
  CHECK(error_of(t.y, o.y) <= rounding<T>(64));
  CHECK(error_of(t.mean, o.mean) <= rounding<A>(32));
  CHECK(error_of(t.rstd, o.rstd) <= rounding<A>(64));
  CHECK(error_of(t.dx, want.dx) <= rounding<T>(128));
  CHECK(error_of(t.dw, added_to(0.5, want.dw)) <= rounding<A>(128));
  CHECK(error_of(t.db, added_to(-0.5, want.db)) <= rounding<A>(128));
}

template <class T> void check_added(int64_t N, int64_t C, bool wide_rows) {
  using A = acc_t<T>;
  CAPTURE(N);
  CAPTURE(C);
  Case<T> t(N, C);
  const std::vector<T> residual = random_typed<T>(N * C, 5), before = random_typed<T>(N * C, 6);
  std::vector<T> z(t.x.size()), alone = t.dy;
  for (size_t i = 0; i < z.size(); ++i) z[i] = T(A(residual[i]) + A(t.x[i]));
  const Values sum = to_double(z), dy = to_double(t.dy), w = to_double(t.w);
  const auto o = reference::layer_norm_forward(sum, w, to_double(t.b), N, C, kEps);
  const auto want = reference::add_layer_norm_backward(to_double(before), dy, o.h, w, o.rstd, N, C);
  const auto want_alone = reference::layer_norm_backward(dy, o.h, w, o.rstd, N, C);
  z.assign(z.size(), T(99.0f));
  t.dx = before;
  with_row_plan<T>(C, wide_rows, [&](auto plan) {
    using Plan = decltype(plan);
    const AddLayerNormForward<T> to{
        z.data(), t.y.data(), t.mean.data(), t.rstd.data(), t.x.data(), residual.data(), t.w.data(), t.b.data(),
        N,        C,          kEps};
    host_over_rows<Plan>(N, [&](auto& b) { add_layer_norm_forward_rows<Plan>(b, to); });
    CHECK(to_double(z) == sum);
    AddLayerNormBackward<T> back{t.dx.data(),   nullptr,       nullptr, t.dy.data(), z.data(), t.w.data(),
                                 t.mean.data(), t.rstd.data(), N,       C,           true};
    host_sum_over_rows<Plan, A, 2>({t.dw.data(), t.db.data()}, N, C, [&](auto& b, A* shared, const auto& sums) {
      add_layer_norm_backward_rows<Plan, true>(b, shared, back, sums);
    });
    back.dy = back.dz = alone.data();  // dz over dy
    back.adds = false;
    host_over_rows<Plan>(N, [&](auto& b) {
      add_layer_norm_backward_rows<Plan, false>(b, static_cast<A*>(nullptr), back,
                                                PartialSums<A>{nullptr, Plan::kRows});
    });
  });
  CHECK(error_of(t.y, o.y) <= rounding<T>(64));
  CHECK(error_of(t.mean, o.mean) <= rounding<A>(32));
  CHECK(error_of(t.rstd, o.rstd) <= rounding<A>(64));
  CHECK(error_of(t.dx, want.dx) <= rounding<T>(128));
  CHECK(error_of(alone, want_alone.dx) <= rounding<T>(128));
  CHECK(error_of(t.dw, added_to(0.5, want.dw)) <= rounding<A>(128));
  CHECK(error_of(t.db, added_to(-0.5, want.db)) <= rounding<A>(128));
}

struct Rows {
  std::vector<int32_t> example, position;
  uint64_t step = 3;
  DropoutRows rows(double p, bool live) const {
    PhiloxSource source{philox_key(7, live ? 0 : step, 11), 7, 11, live ? &step : nullptr};
    return {p, source, example.data(), position.data()};
  }
};
Rows rows_of(int64_t N) {
  Rows r;
  for (int64_t n = 0; n < N; ++n) {
    r.example.push_back(static_cast<int32_t>(n / 3));
    r.position.push_back(static_cast<int32_t>(n % 3));
  }
  return r;
}

template <class T, bool kDrops> void check_fused(int64_t N, int64_t C, bool wide_rows, bool live) {
  using A = acc_t<T>;
  CAPTURE(N);
  CAPTURE(C);
  const double p = kDrops ? 0.3 : 0;
  Case<T> t(N, C);
  const std::vector<T> residual = random_typed<T>(N * C, 9);
  const Rows r = rows_of(N);
  const DropoutRows rows = r.rows(p, live);
  const auto o = reference::dropout_add_layer_norm_forward(to_double(t.x), to_double(residual), to_double(t.w),
                                                           to_double(t.b), rows, N, C, kEps);
  std::vector<T> h(t.x.size()), dz = t.dy;
  const auto drops = drops_of<A>(rows);
  with_row_plan<T>(C, wide_rows, [&](auto plan) {
    using Plan = decltype(plan);
    DropoutAddLayerNormForward<T> to{t.y.data(), nullptr, nullptr, t.x.data(), residual.data(), t.w.data(), t.b.data(),
                                     rows,       N,       C,       kEps};
    host_over_rows<Plan>(N, [&](auto& b) { dropout_add_layer_norm_forward_rows<Plan, kDrops>(b, to, drops); });
    const std::vector<T> unsaved = t.y;
    to.h = h.data();
    to.rstd = t.rstd.data();
    host_over_rows<Plan>(N, [&](auto& b) { dropout_add_layer_norm_forward_rows<Plan, kDrops>(b, to, drops); });
    CHECK(to_double(unsaved) == to_double(t.y));
  });
  CHECK(error_of(t.y, o.y) <= rounding<T>(64));
  CHECK(error_of(h, o.h) <= rounding<T>(64));
  CHECK(error_of(t.rstd, o.rstd) <= rounding<A>(64));

  // The gradient is that of what was saved.
  const auto want = reference::dropout_add_layer_norm_backward(to_double(t.dy), to_double(h), to_double(t.w),
                                                               to_double(t.rstd), rows, N, C);
  t.dx = h;  // dx over h, dz over dy
  const DropoutAddLayerNormBackward<T> back{dz.data(),  t.dx.data(),   t.dw.data(), t.db.data(), dz.data(), t.dx.data(),
                                            t.w.data(), t.rstd.data(), rows,        N,           C};
  with_row_plan<T>(C, wide_rows, [&](auto plan) {
    using Plan = decltype(plan);
    host_sum_over_rows<Plan, A, 2>({t.dw.data(), t.db.data()}, N, C, [&](auto& b, A* shared, const auto& sums) {
      dropout_add_layer_norm_backward_rows<Plan, true, kDrops>(b, shared, back, drops, sums);
    });
  });
  CHECK(error_of(dz, want.dresidual) <= rounding<T>(128));
  CHECK(error_of(t.dx, want.dx) <= rounding<T>(128));
  CHECK(error_of(t.dw, added_to(0.5, want.dw)) <= rounding<A>(128));
  CHECK(error_of(t.db, added_to(-0.5, want.db)) <= rounding<A>(128));
}

template <class T> void check_dropout(int64_t N, int64_t C, double p, bool live) {
  const Rows r = rows_of(N);
  const std::vector<T> x = random_typed<T>(N * C, 5);
  const DropoutRows rows = r.rows(p, live);
  const Values want = reference::dropout_forward(to_double(x), rows, N, C);
  const auto drops = drops_of<acc_t<T>>(rows);
  const auto run = [&](auto width) {
    constexpr int W = decltype(width)::value;
    std::vector<T> y = x;
    for (int64_t i = 0; i < tile_blocks<W>(N, C); ++i) {
      HostBlock<kTileThreads> b(i);
      dropout_tile<W>(b, y.data(), y.data(), drops, N, C);
    }
    CHECK(error_of(y, want) <= rounding<T>(4));
  };
  run(std::integral_constant<int, 1>());
  if (C % kVector<T> == 0) run(std::integral_constant<int, kVector<T>>());
}

}  // namespace

TEST_CASE("cuda layer_norm: every block, forward and backward") {
  over_row_shapes<float>(check_layer_norm<float>);
  over_row_shapes<double>(check_layer_norm<double>);
  over_row_shapes<bf16>(check_layer_norm<bf16>);
}

TEST_CASE("cuda add_layer_norm: every block, forward and backward") {
  over_row_shapes<float>(check_added<float>);
  over_row_shapes<double>(check_added<double>);
  over_row_shapes<bf16>(check_added<bf16>);
}

TEST_CASE("cuda dropout_add_layer_norm: every block, forward and backward, with the CPU's masks") {
  over_row_shapes<float>([](int64_t N, int64_t C, bool wide_rows) { check_fused<float, true>(N, C, wide_rows, true); });
  over_row_shapes<bf16>([](int64_t N, int64_t C, bool wide_rows) { check_fused<bf16, true>(N, C, wide_rows, false); });
  check_fused<double, true>(5, 33, false, false);
  check_fused<float, false>(5, 768, true, false);
  check_fused<bf16, false>(5, 1024, true, false);
}

TEST_CASE("cuda dropout: every block") {
  for (const int64_t C : {1, 31, 33, 257, 768, 1032})
    for (const bool live : {false, true}) {
      check_dropout<float>(9, C, 0.1, live);
      check_dropout<double>(9, C, 0.5, live);
      check_dropout<bf16>(9, C, 0.3, live);
    }
  check_dropout<float>(3, 64, 1.0, false);
}

// What the CPU's kernels say that they take of scratch memory is what they take.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "kernels/add_layer_norm.h"
#include "kernels/add_rms_norm.h"
#include "kernels/attention.h"
#include "kernels/bias.h"
#include "kernels/dropout_add_layer_norm.h"
#include "kernels/frozen_matmul.h"
#include "kernels/head_norm.h"
#include "kernels/layer_norm.h"
#include "kernels/lora_linear.h"
#include "kernels/rms_norm.h"

using namespace lowland;

namespace {

// Remembers the most that was held at once.
class CountingWorkspace : public Workspace {
 public:
  void* take(size_t bytes) override {
    blocks_.push_back(std::make_unique<Line[]>(bytes / sizeof(Line) + 1));
    held_ += bytes;
    sizes_.push_back(bytes);
    most = std::max(most, held_);
    return blocks_.back().get();
  }
  size_t mark() const override { return blocks_.size(); }
  void release_to(size_t mark) override {
    for (; blocks_.size() > mark; blocks_.pop_back(), sizes_.pop_back()) held_ -= sizes_.back();
  }
  size_t most = 0;

 private:
  struct alignas(64) Line {
    char bytes[64];
  };
  std::vector<std::unique_ptr<Line[]>> blocks_;
  std::vector<size_t> sizes_;
  size_t held_ = 0;
};

// Bytes that run(ctx) takes with so many threads.
template <class F> size_t taken(int threads, const F& run) {
  CountingWorkspace workspace;
  Ctx ctx;
  ctx.threads = threads;
  ctx.workspace = &workspace;
  run(ctx);
  CHECK(workspace.mark() == 0);
  return workspace.most;
}

template <class T> std::vector<T> ones(int64_t n) { return std::vector<T>(n, T(1)); }

template <class T> void check_sums(int threads, int64_t N, int64_t C) {
  using A = acc_t<T>;
  const std::vector<T> rows = ones<T>(N * C), w = ones<T>(C);
  const std::vector<A> each = ones<A>(N);
  std::vector<T> dx = rows, dz = rows;
  std::vector<A> dw = ones<A>(C), db = dw;
  CHECK(taken(threads, [&](Ctx& ctx) { cpu_v3::bias_backward<T>(ctx, db.data(), rows.data(), N, C); }) ==
        sizeof(acc_t<T>) * cpu_v3::bias_backward_scratch(N, C));
  CHECK(taken(threads, [&](Ctx& ctx) {
          cpu_v3::rms_norm_backward<T>(ctx, dx.data(), dw.data(), rows.data(), rows.data(), w.data(), each.data(), N,
                                       C);
        }) == sizeof(acc_t<T>) * cpu_v3::rms_norm_backward_scratch(N, C));
  const HeadNormShape heads{.N = N, .stride = C, .HD = C, .QH = 1};
  CHECK(taken(threads, [&](Ctx& ctx) {
          cpu_v3::head_norm_backward<T>(ctx, dx.data(), {dw.data(), nullptr}, rows.data(), rows.data(),
                                        {w.data(), nullptr}, each.data(), heads);
        }) == sizeof(acc_t<T>) * cpu_v3::head_norm_backward_scratch(heads));
  CHECK(taken(threads, [&](Ctx& ctx) {
          cpu_v3::add_rms_norm_backward<T>(
              ctx, {dz.data(), dw.data(), rows.data(), rows.data(), w.data(), each.data(), N, C, true});
        }) == sizeof(acc_t<T>) * cpu_v3::add_rms_norm_backward_scratch(N, C));
  CHECK(taken(threads, [&](Ctx& ctx) {
          cpu_v3::add_layer_norm_backward<T>(ctx, {.dz = dz.data(),
                                                   .dw = dw.data(),
                                                   .db = db.data(),
                                                   .dy = rows.data(),
                                                   .z = rows.data(),
                                                   .w = w.data(),
                                                   .mean = each.data(),
                                                   .rstd = each.data(),
                                                   .N = N,
                                                   .C = C,
                                                   .adds = true});
        }) == sizeof(acc_t<T>) * cpu_v3::add_layer_norm_backward_scratch(N, C));
  CHECK(taken(threads, [&](Ctx& ctx) {
          cpu_v3::layer_norm_backward<T>(ctx, {.dx = dx.data(),
                                               .dw = dw.data(),
                                               .db = db.data(),
                                               .dy = rows.data(),
                                               .x = rows.data(),
                                               .w = w.data(),
                                               .mean = each.data(),
                                               .rstd = each.data(),
                                               .N = N,
                                               .C = C});
        }) == sizeof(acc_t<T>) * cpu_v3::layer_norm_backward_scratch(N, C));
  CHECK(taken(threads, [&](Ctx& ctx) {
          cpu_v3::dropout_add_layer_norm_backward<T>(ctx, {.dz = dz.data(),
                                                           .dx = nullptr,
                                                           .dw = dw.data(),
                                                           .db = db.data(),
                                                           .dy = rows.data(),
                                                           .h = rows.data(),
                                                           .w = w.data(),
                                                           .rstd = each.data(),
                                                           .rows = {},
                                                           .N = N,
                                                           .C = C});
        }) == sizeof(acc_t<T>) * cpu_v3::dropout_add_layer_norm_backward_scratch(N, C));
}

template <class T> void check_lora(int threads, int64_t N, int64_t M, double p) {
  const int64_t KR = 3;
  const std::vector<int32_t> where(N, 1);
  const LoraInput in{.N = N, .M = M, .KR = KR, .dropout = {.p = p, .example = where.data(), .position = where.data()}};
  const std::vector<T> x = ones<T>(N * M), a = ones<T>(KR * M);
  std::vector<T> xa = ones<T>(N * KR), dx = x;
  std::vector<acc_t<T>> da = ones<acc_t<T>>(KR * M);
  CHECK(taken(threads, [&](Ctx& ctx) {
          cpu_v3::lora_linear_down_forward<T>(ctx, xa.data(), x.data(), a.data(), in);
        }) == sizeof(acc_t<T>) * cpu_v3::lora_linear_down_forward_scratch<T>(threads, in));
  CHECK(taken(threads, [&](Ctx& ctx) {
          cpu_v3::lora_linear_down_backward<T>(ctx, dx.data(), da.data(), xa.data(), x.data(), a.data(), in,
                                               acc_t<T>(0));
        }) == sizeof(acc_t<T>) * cpu_v3::lora_linear_down_backward_scratch<T>(threads, in));
}

template <class T> void check_frozen(int threads, int64_t M, int64_t N, int64_t K, Trans trans) {
  const int64_t ldb = trans == Trans::yes ? K : N;
  const MatmulShape shape{.trans_b = trans, .M = M, .N = N, .K = K, .lda = K, .ldb = ldb, .ldc = N};
  std::vector<T> y = ones<T>(M * N), x = ones<T>(M * K);
  const std::vector<bf16> w(N * K);
  CHECK(taken(threads, [&](Ctx& ctx) {
          cpu_v3::frozen_matmul<T>(ctx, y.data(), x.data(), w.data(), DType::bf16, shape, T(1), T(0));
        }) == sizeof(acc_t<T>) * cpu_v3::frozen_matmul_scratch<T>(threads, shape));
}

template <class T> void check_attention(int threads, int64_t HD) {
  const int64_t N = 5;
  const int32_t cu[] = {0, 2, 5};
  AttentionShape shape;
  shape.S = 2;
  shape.NQ = shape.NK = N;
  shape.NH = shape.NKV = 1;
  shape.HD = HD;
  shape.cu_q = shape.cu_k = cu;
  const std::vector<T> x = ones<T>(N * HD);
  std::vector<T> o = x, dq = x, dk = x, dv = x;
  std::vector<acc_t<T>> lse = ones<acc_t<T>>(N);
  const AttentionInputs<T> in{{x.data(), HD}, {x.data(), HD}, {x.data(), HD}};
  CHECK(taken(threads, [&](Ctx& ctx) {
          cpu_v3::attention_forward<T>(ctx, {o.data(), HD}, lse.data(), in, shape);
        }) == sizeof(acc_t<T>) * cpu_v3::attention_forward_scratch<T>(threads, HD));
  CHECK(taken(threads, [&](Ctx& ctx) {
          cpu_v3::attention_backward<T>(ctx, {{dq.data(), HD}, {dk.data(), HD}, {dv.data(), HD}}, {x.data(), HD},
                                        {o.data(), HD}, lse.data(), in, shape);
        }) == sizeof(acc_t<T>) * cpu_v3::attention_backward_scratch<T>(threads, HD, 3));
}

template <class T> void check_all() {
  for (const int threads : {1, 2, 5}) {
    CAPTURE(threads);
    for (const auto& [N, C] : {std::pair<int64_t, int64_t>{1, 1}, {31, 33}, {33, 257}, {70, 768}})
      check_sums<T>(threads, N, C);
    for (const double p : {std::is_same_v<T, bf16> ? 0.25 : 0.0, 0.25})  // its products take theirs: below
      for (const auto& [N, M] : {std::pair<int64_t, int64_t>{1, 1}, {63, 129}, {65, 257}, {300, 1000}})
        check_lora<T>(threads, N, M, p);
    if constexpr (!std::is_same_v<T, bf16>)
      for (const Trans trans : {Trans::no, Trans::yes})
        for (const auto& [M, N] : {std::pair<int64_t, int64_t>{1, 300}, {3, 33}, {40, 257}, {40, 1025}})
          check_frozen<T>(threads, M, N, 129, trans);
    for (const int64_t HD : {1, 31, 64, 80}) check_attention<T>(threads, HD);
  }
}

}  // namespace

TEST_CASE("scratch memory: kernels take what they declare") {
  check_all<float>();
  check_all<double>();
  check_all<bf16>();
}

TEST_CASE("scratch memory: products of bf16, with a weight in bf16 and in blocks") {
  for (const int threads : {1, 3})
    for (const auto& [M, N, K] : std::vector<std::array<int64_t, 3>>{{1, 33, 64}, {40, 257, 1120}, {600, 32, 32}}) {
      const int64_t rows = M;
      const std::vector<bf16> x = ones<bf16>(rows * K), w = ones<bf16>(N * K);
      std::vector<bf16> y = ones<bf16>(rows * N);
      const std::vector<uint8_t> blocks(N * row_bytes(DType::q8_0, K));
      const MatmulShape shape{.trans_b = Trans::yes, .M = rows, .N = N, .K = K, .lda = K, .ldb = K, .ldc = N};
      const auto of = [&](const void* b, DType type) {
        return taken(threads, [&](Ctx& ctx) {
          cpu_v3::frozen_matmul<bf16>(ctx, y.data(), x.data(), b, type, shape, 1.0f, 0.0f);
        });
      };
      CHECK(of(w.data(), DType::bf16) == sizeof(float) * cpu_v3::bf16_matmul_scratch(threads, shape));
      CHECK(of(blocks.data(), DType::q8_0) == sizeof(float) * cpu_v3::frozen_matmul_scratch<bf16>(threads, shape));
    }
}

TEST_CASE("scratch memory: dropout's tiles and widened weights are declared, and nothing where none are taken") {
  const LoraInput dropped{.N = 300, .M = 1000, .KR = 8, .dropout = {.p = 0.1}}, whole{.N = 300, .M = 1000, .KR = 8};
  CHECK(cpu_v3::lora_linear_down_backward_scratch<float>(2, dropped) > 0);
  CHECK(cpu_v3::lora_linear_down_backward_scratch<float>(2, whole) == 0);
  const MatmulShape product{.trans_b = Trans::yes, .M = 500, .N = 768, .K = 768};
  CHECK(cpu_v3::frozen_matmul_scratch<float>(2, product) == 2 * cpu_v3::frozen_matmul_scratch<float>(1, product));
  CHECK(cpu_v3::rms_norm_backward_scratch(64, 100) == 200);
}

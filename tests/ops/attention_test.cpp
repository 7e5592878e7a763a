#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "kernels/common/launch_limits.h"
#include "optim/xtensor.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

// One batch: lengths of the segments in queries and keys, heads, and what else the options hold.
struct Batch {
  std::vector<int32_t> nq, nk;
  int64_t NH = 2, NKV = 2, HD = 5;
  bool causal = false;
  double p = 0;
  int64_t tail = 0;  // rows after the last segment
  int32_t first_example = 0;
  int32_t window = 0;
  double cap = 0;

  static std::vector<int32_t> bounds(const std::vector<int32_t>& n) {
    std::vector<int32_t> cu{0};
    for (const int32_t k : n) cu.push_back(cu.back() + k);
    return cu;
  }
  int64_t NQ() const { return bounds(nq).back() + tail; }
  int64_t NK() const { return bounds(nk).back() + tail; }

  AttentionOptions options(Context& context) const {
    AttentionOptions o;
    o.heads = NH;
    o.kv_heads = NKV;
    o.head_dim = HD;
    o.causal = causal;
    o.window = window;
    o.soft_cap = cap;
    const auto cu = [&](const std::vector<int32_t>& n) {
      return Tensor::from<int32_t>(context, {static_cast<int64_t>(n.size()) + 1}, bounds(n));
    };
    o.cu_q = cu(nq);
    if (nk != nq) o.cu_k = cu(nk);
    if (p == 0) return o;
    std::vector<int32_t> example(NQ()), position(example.size());
    for (size_t s = 0; s < nq.size(); ++s)
      for (int32_t i = 0; i < nq[s]; ++i) {
        const int64_t row = bounds(nq)[s] + i;
        example[row] = first_example + static_cast<int32_t>(s);
        position[row] = nk[s] - nq[s] + i;
      }
    o.dropout = {.p = p,
                 .seed = 3,
                 .step = 5,
                 .op = 7,
                 .example = Tensor::from<int32_t>(context, {NQ()}, example),
                 .position = Tensor::from<int32_t>(context, {NQ()}, position)};
    return o;
  }
};

// The options as kernels and the reference are told them, in the host's memory.
struct HostShape {
  std::vector<int32_t> cu_q, cu_k;
  Dropout dropout;
  AttentionShape shape;

  explicit HostShape(const Batch& b)
      : cu_q(Batch::bounds(b.nq)), cu_k(Batch::bounds(b.nk)), dropout(b.options(cpu()).dropout) {
    shape = {.S = static_cast<int64_t>(b.nq.size()),
             .NQ = b.NQ(),
             .NK = b.NK(),
             .NH = b.NH,
             .NKV = b.NKV,
             .HD = b.HD,
             .cu_q = cu_q.data(),
             .cu_k = cu_k.data(),
             .causal = b.causal,
             .window = b.window,
             .scale = 1 / std::sqrt(static_cast<double>(b.HD)),
             .soft_cap = b.cap,
             .drop_below = drop_threshold(b.p),
             .keep_scale = 1 / (1 - b.p),
             .draws = dropout.draws()};
    if (b.p == 0) return;
    shape.example = dropout.example.host();
    shape.position = dropout.position.host();
  }
};

using Matrix = xt::xtensor<double, 2>;

Matrix matrix(const Values& x, int64_t rows) {
  const auto height = static_cast<size_t>(rows);
  return xt::adapt(x, std::array<size_t, 2>{height, x.size() / height});
}
Values values(const Matrix& x) { return {x.begin(), x.end()}; }

// Of the inputs q and k|v, or q|k|v: {q, k, v}.
Arrays apart(const Batch& b, const Arrays& in) {
  const int64_t q = b.NH * b.HD, v = b.NKV * b.HD, k = in.size() == 1 ? q : 0;
  const auto columns = [](const Matrix& x, int64_t begin, int64_t width) {
    return values(xt::view(x, xt::all(), xt::range(begin, begin + width)));
  };
  const Matrix of_q = matrix(in[0], b.NQ()), of_k = matrix(in.back(), b.NK());
  return {columns(of_q, 0, q), columns(of_k, k, v), columns(of_k, k + v, v)};
}

Values forward(const Batch& b, const Arrays& in) {
  const Arrays qkv = apart(b, in);
  return reference::attention_forward(qkv[0], qkv[1], qkv[2], HostShape(b).shape).o;
}

Arrays backward(const Batch& b, const Arrays& in, const Values& dy) {
  const Arrays qkv = apart(b, in);
  const HostShape host(b);
  const auto saved = reference::attention_forward(qkv[0], qkv[1], qkv[2], host.shape);
  const auto [dq, dk, dv] = reference::attention_backward(dy, saved, qkv[0], qkv[1], qkv[2], host.shape);
  const Matrix q = matrix(dq, b.NQ()), k = matrix(dk, b.NK()), v = matrix(dv, b.NK());
  if (in.size() == 1) return {values(xt::concatenate(xt::xtuple(q, k, v), 1))};
  return {dq, values(xt::concatenate(xt::xtuple(k, v), 1))};
}

void check(const std::string& name, const Batch& b, bool packed) {
  OpCase c{.name = name,
           .inputs = {},
           .run =
               [&](const Tensors& in) {
                 AttentionOptions o = b.options(cpu());
                 if (packed) return ops::attention(in[0], o);
                 if (!o.cu_k) o.cu_k = o.cu_q;
                 return ops::attention(in[0], in[1], o);
               },
           .forward = [&](const Arrays& in) { return forward(b, in); },
           .backward = [&](const Arrays& in, const Values& dy) { return backward(b, in, dy); }};
  if (packed) c.inputs = {{{b.NQ(), (b.NH + 2 * b.NKV) * b.HD}}};
  if (!packed) c.inputs = {{{b.NQ(), b.NH * b.HD}}, {{b.NK(), 2 * b.NKV * b.HD}}};
  check_op(c);
}
void check_packed(const std::string& name, const Batch& b) { check(name, b, true); }
void check_separate(const std::string& name, const Batch& b) { check(name, b, false); }

// Output and gradient of one packed run, as doubles.
struct Run {
  Values y, dqkv;
};

Run run(Context& context, const Batch& b, const Values& qkv, const Values& dy, DType dtype) {
  const int64_t width = (b.NH + 2 * b.NKV) * b.HD;
  Tensor x = Tensor::from<double>(context, {b.NQ(), width}, qkv).to(dtype);
  x.set_requires_grad();
  const Tensor y = ops::attention(x, b.options(context));
  context.tape().backward_to(0, y, Tensor::from<double>(context, y.shape(), dy).to(dtype));
  return {y.to(DType::f64).to_vector<double>(), x.grad().to(DType::f64).to_vector<double>()};
}

Values rows_of(const Values& x, int64_t begin, int64_t end, int64_t width) {
  return {x.begin() + begin * width, x.begin() + end * width};
}

}  // namespace

TEST_CASE("attention: values and gradients of packed rows") {
  check_packed("one token", {.nq = {1}, .nk = {1}});
  check_packed("odd lengths", {.nq = {1, 31, 33, 7}, .nk = {1, 31, 33, 7}});
  check_packed("several tiles", {.nq = {3, 257}, .nk = {3, 257}, .NH = 1, .NKV = 1, .HD = 8});
  check_packed("more than one span", {.nq = {300}, .nk = {300}, .NH = 1, .NKV = 1, .HD = 3});
  check_packed("causal", {.nq = {1, 31, 33}, .nk = {1, 31, 33}, .causal = true});
  check_packed("causal, several tiles", {.nq = {257}, .nk = {257}, .NH = 1, .NKV = 1, .HD = 8, .causal = true});
  check_packed("grouped heads", {.nq = {9, 33}, .nk = {9, 33}, .NH = 6, .NKV = 2, .HD = 16});
  check_packed("grouped heads, causal", {.nq = {70}, .nk = {70}, .NH = 4, .NKV = 1, .HD = 32, .causal = true});
  check_packed("empty segments and a tail", {.nq = {0, 5, 0, 0, 17, 0}, .nk = {0, 5, 0, 0, 17, 0}, .tail = 3});
  check_packed("no segments", {.nq = {}, .nk = {}, .tail = 4});
  for (const int64_t HD : {1, 17, 40, 64, 80, 128, 160})
    if (HD <= cuda::kMaxHeadDim || test_device() != "cuda")
      check_packed("head_dim " + std::to_string(HD), {.nq = {13}, .nk = {13}, .NH = 2, .NKV = 1, .HD = HD});
}

TEST_CASE("attention: heads and lengths of real models") {
  for (const int64_t HD : {64, 128}) {
    const std::string name = "head_dim " + std::to_string(HD);
    check_packed(name, {.nq = {130, 5}, .nk = {130, 5}, .NH = 2, .NKV = 2, .HD = HD});
    check_packed(name + ", causal", {.nq = {70, 66}, .nk = {70, 66}, .NH = 2, .NKV = 1, .HD = HD, .causal = true});
  }
}

TEST_CASE("attention: a sliding window") {
  for (const int32_t window : {1, 7, 64, 65, 1000}) {
    const std::string name = "window " + std::to_string(window);
    check_packed(name,
                 {.nq = {1, 80, 9}, .nk = {1, 80, 9}, .NH = 1, .NKV = 1, .HD = 2, .causal = true, .window = window});
    check_separate(name + ", the last queries",
                   {.nq = {1, 40}, .nk = {1, 139}, .NH = 1, .NKV = 1, .HD = 2, .causal = true, .window = window});
  }
  check_packed("spans", {.nq = {300}, .nk = {300}, .NH = 1, .NKV = 1, .HD = 1, .causal = true, .window = 70});
  check_packed("grouped heads, dropout, tail", {.nq = {0, 90, 9},
                                                .nk = {0, 90, 9},
                                                .NH = 2,
                                                .NKV = 1,
                                                .HD = 2,
                                                .causal = true,
                                                .p = 0.3,
                                                .tail = 2,
                                                .window = 70});
  for (const int64_t HD : {3, 64, 72})
    check_separate(
        "a decoder's step",
        {.nq = {1, 0, 2, 4}, .nk = {167, 9, 130, 7}, .NH = 4, .NKV = 2, .HD = HD, .causal = true, .window = 66});
}

TEST_CASE("attention: a sliding window that hides nothing changes no bit") {
  Batch b{.nq = {90, 20}, .nk = {90, 20}, .NH = 2, .NKV = 1, .HD = 16, .causal = true};
  const Values x = random_values(110 * 64, 1), dy = random_values(110 * 32, 2);
  const Run without = run(cpu(), b, x, dy, DType::f32);
  b.window = 90;
  const Run with = run(cpu(), b, x, dy, DType::f32);
  CHECK(with.y == without.y);
  CHECK(with.dqkv == without.dqkv);
}

TEST_CASE("attention: capped scores" * doctest::skip(test_device() == "cuda")) {
  for (const double cap : {0.3, 2.0, 50.0}) {
    const std::string name = "cap " + std::to_string(cap);
    check_packed(name, {.nq = {1, 31, 70}, .nk = {1, 31, 70}, .NKV = 1, .causal = true, .cap = cap});
    check_packed(name + ", dropout, both directions", {.nq = {9, 33}, .nk = {9, 33}, .p = 0.3, .cap = cap});
    check_separate(name + ", a decoder's step",
                   {.nq = {1, 0, 3}, .nk = {67, 9, 70}, .NH = 4, .NKV = 2, .HD = 8, .causal = true, .cap = cap});
    check_packed(name + ", window", {.nq = {90}, .nk = {90}, .NKV = 1, .causal = true, .window = 20, .cap = cap});
  }
}

TEST_CASE("attention: queries of their own") {
  check_separate("head rows only", {.nq = {1, 1, 1}, .nk = {5, 33, 100}, .HD = 8});
  check_separate("more queries than keys", {.nq = {40, 3}, .nk = {7, 2}});
  check_separate("the last queries of a causal text", {.nq = {1, 3, 70}, .nk = {1, 33, 129}, .causal = true});
  check_separate("segments without queries or keys", {.nq = {0, 4, 3}, .nk = {5, 0, 6}, .tail = 2});
}

TEST_CASE("attention: a decoder's step, few queries after many keys") {
  for (const int64_t HD : {3, 8, 20, 64, 72, 128})
    check_separate("head_dim " + std::to_string(HD),
                   {.nq = {1, 0, 2, 4}, .nk = {67, 9, 130, 7}, .NH = 4, .NKV = 2, .HD = HD, .causal = true});
  const Batch b{.nq = {1}, .nk = {300}, .NH = 64, .NKV = 8, .HD = 64, .causal = true};
  const Values q = random_values(64 * 64, 1), kv = random_values(300 * 16 * 64, 2);
  Context one({}, 1), three({}, 3);
  const auto run_on = [&](Context& context) {
    const auto f32 = [&](const Shape& shape, const Values& v) {
      return Tensor::from<double>(context, shape, v).to(DType::f32);
    };
    return ops::attention(f32({1, 64 * 64}, q), f32({300, 16 * 64}, kv), b.options(context)).to_vector<float>();
  };
  CHECK(run_on(one) == run_on(three));
}

TEST_CASE("attention: dropout draws what scalar Philox draws") {
  check_packed("dropout", {.nq = {1, 31, 33}, .nk = {1, 31, 33}, .p = 0.1});
  check_packed("dropout, tiles", {.nq = {257}, .nk = {257}, .NH = 2, .NKV = 1, .HD = 4, .p = 0.3, .first_example = 9});
  check_packed("dropout, causal", {.nq = {75}, .nk = {75}, .causal = true, .p = 0.5});
  check_separate("dropout, head rows", {.nq = {1, 1, 2}, .nk = {12, 65, 9}, .p = 0.2});
}

TEST_CASE("attention: roberta-base shapes in f32") {
  const Batch b{.nq = {128, 25}, .nk = {128, 25}, .NH = 12, .NKV = 12, .HD = 64};
  const int64_t width = 36 * 64;
  const Values x = random_values(b.NQ() * width, 1), dy = random_values(b.NQ() * 12 * 64, 2);
  const Run f32 = run(cpu(), b, x, dy, DType::f32), f64 = run(cpu(), b, x, dy, DType::f64);
  CHECK(max_abs_diff(f32.y, forward(b, {x})) < 2e-6);
  CHECK(max_abs_diff(f32.dqkv, f64.dqkv) < 4e-6);
  CHECK(max_abs_diff(f64.dqkv, backward(b, {x}, dy)[0]) < 1e-12);
}

TEST_CASE("attention: large scores do not overflow") {
  const Batch b{.nq = {70}, .nk = {70}, .NH = 1, .NKV = 1, .HD = 4};
  const Values x = random_values(70 * 12, 4, 40.0);
  Values y = run(cpu(), b, x, random_values(70 * 4, 5), DType::f32).y;
  CHECK(max_abs_diff(y, forward(b, {x})) < 2e-2);  // scores near 3,000: 2e-4 of rounding each
  CHECK(max_abs_diff(run(cpu(), b, x, random_values(70 * 4, 5), DType::f64).y, forward(b, {x})) < 1e-10);
}

TEST_CASE("attention: a segment's result does not depend on what it is packed with") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const bool causal : {false, true}) {
      Batch all{.nq = {30, 1, 300, 25}, .nk = {30, 1, 300, 25}, .NH = 4, .NKV = 2, .HD = 16};
      all.causal = causal;
      all.p = 0.1;
      const int64_t width = 8 * 16, out = 4 * 16;
      const Values x = random_values(all.NQ() * width, 1), dy = random_values(all.NQ() * out, 2);
      const Run together = run(cpu(), all, x, dy, dtype);
      int64_t row = 0;
      for (size_t s = 0; s < all.nq.size(); ++s) {
        Batch one = all;
        one.nq = one.nk = {all.nq[s]};
        one.first_example = static_cast<int32_t>(s);
        const int64_t end = row + all.nq[s];
        const Run alone = run(cpu(), one, rows_of(x, row, end, width), rows_of(dy, row, end, out), dtype);
        CHECK(alone.y == rows_of(together.y, row, end, out));
        CHECK(alone.dqkv == rows_of(together.dqkv, row, end, width));
        row = end;
      }
    }
}

TEST_CASE("attention: results do not depend on the number of threads") {
  const Batch b{.nq = {40, 333, 0, 12}, .nk = {40, 333, 0, 12}, .NH = 4, .NKV = 2, .HD = 24, .p = 0.1};
  const Values x = random_values(b.NQ() * 8 * 24, 1), dy = random_values(b.NQ() * 4 * 24, 2);
  Context one({}, 1), two({}, 2), five({}, 5);
  const Run r1 = run(one, b, x, dy, DType::f32), r2 = run(two, b, x, dy, DType::f32),
            r5 = run(five, b, x, dy, DType::f32);
  CHECK(r1.y == r2.y);
  CHECK(r1.dqkv == r2.dqkv);
  CHECK(r1.y == r5.y);
  CHECK(r1.dqkv == r5.dqkv);
}

TEST_CASE("attention: queries of their own give what the packed form gives on those rows") {
  const Batch b{.nq = {30, 100}, .nk = {30, 100}, .NH = 4, .NKV = 2, .HD = 16};
  const int64_t width = 8 * 16;
  const Values x = random_values(130 * width, 1);
  const Tensor packed = ops::attention(Tensor::from<double>(cpu(), {130, width}, x), b.options(cpu()));
  Values q, kv;
  for (const int64_t row : {int64_t{0}, int64_t{30}})
    q.insert(q.end(), x.begin() + row * width, x.begin() + row * width + 64);
  for (int64_t row = 0; row < 130; ++row)
    kv.insert(kv.end(), x.begin() + row * width + 64, x.begin() + (row + 1) * width);
  Batch heads = b;
  heads.nq = {1, 1};
  const Tensor y = ops::attention(Tensor::from<double>(cpu(), {2, 64}, q), Tensor::from<double>(cpu(), {130, 64}, kv),
                                  heads.options(cpu()));
  const Values all = packed.to_vector<double>(), some = y.to_vector<double>();
  CHECK(rows_of(some, 0, 1, 64) == rows_of(all, 0, 1, 64));
  CHECK(rows_of(some, 1, 2, 64) == rows_of(all, 30, 31, 64));
}

TEST_CASE("attention: only the gradients that are asked for") {
  const Batch b{.nq = {2, 3}, .nk = {7, 40}};
  const Values q = random_values(5 * 10, 1), kv = random_values(47 * 20, 2), dy = random_values(5 * 10, 3);
  const auto gradients = [&](bool of_q, bool of_kv) {
    Tensor tq = Tensor::from<double>(cpu(), {5, 10}, q), tkv = Tensor::from<double>(cpu(), {47, 20}, kv);
    if (of_q) tq.set_requires_grad();
    if (of_kv) tkv.set_requires_grad();
    const Tensor y = ops::attention(tq, tkv, b.options(cpu()));
    cpu().tape().backward_to(0, y, Tensor::from<double>(cpu(), {5, 10}, dy));
    return std::pair{tq.grad() ? tq.grad().to_vector<double>() : Values{},
                     tkv.grad() ? tkv.grad().to_vector<double>() : Values{}};
  };
  const auto both = gradients(true, true);
  CHECK(gradients(true, false) == std::pair{both.first, Values{}});
  CHECK(gradients(false, true) == std::pair{Values{}, both.second});
  CHECK(gradients(false, false) == std::pair{Values{}, Values{}});
}

TEST_CASE("attention: scratch memory does not grow with the segment") {
  const auto peak_beyond_tensors = [](int32_t length) {
    Context context({}, 2);
    const Batch b{.nq = {length}, .nk = {length}, .NH = 1, .NKV = 1, .HD = 32, .p = 0.1};
    const AttentionOptions options = b.options(context);
    Tensor x = Tensor::zeros(context, {length, 96}, DType::f32);
    x.set_requires_grad();
    Tensor dy = Tensor::zeros(context, {length, 32}, DType::f32);
    const size_t before = context.memory().live_bytes();
    context.memory().reset_peak();
    {
      const Tensor y = ops::attention(x, options);
      context.tape().backward_to(0, y, std::move(dy));
    }
    // y, lse, dqkv; dy was there before.
    const size_t tensors = length * (32 + 1 + 96) * sizeof(float);
    return context.memory().peak_bytes() - before - tensors;
  };
  CHECK(peak_beyond_tensors(512) == peak_beyond_tensors(8192));
  CHECK(peak_beyond_tensors(512) < size_t{1} << 20);
}

TEST_CASE("attention: what does not fit is refused") {
  const Tensor x = Tensor::zeros(cpu(), {10, 24}, DType::f32), q = Tensor::zeros(cpu(), {10, 8}, DType::f32);
  const auto cu = [](const std::vector<int32_t>& v) {
    return Tensor::from<int32_t>(cpu(), {static_cast<int64_t>(v.size())}, v);
  };
  AttentionOptions o;
  o.heads = o.kv_heads = 2;
  o.head_dim = 4;
  o.cu_q = cu({0, 10});
  const auto message = [&](const Tensor& qkv) {
    try {
      ops::attention(qkv, o);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(message(x) == "");
  CHECK(message(q) ==
        "[attention] qkv must be (N, (NH + 2 NKV) HD): q, k and v side by side | qkv: (10,8) f32 cpu | cu_q: "
        "(2) i32 cpu");
  o.cu_q = cu({0, 7, 5});
  CHECK(message(x).find("cu_q must rise from 0 and end within the rows of the queries") != std::string::npos);
  o.cu_q = cu({0, 11});
  CHECK(message(x).find("cu_q must rise from 0") != std::string::npos);
  o.cu_q = Tensor();
  CHECK(message(x).find("must be (S+1) i32") != std::string::npos);
  o.cu_q = cu({0, 10});
  o.cu_k = cu({0, 9});
  CHECK(message(x).find("cu_k must be absent or equal to cu_q") != std::string::npos);
  o.cu_k = Tensor();
  o.dropout.p = 0.1;
  CHECK(message(x).find("dropout needs the example and position") != std::string::npos);
  o.dropout.p = 0;
  o.kv_heads = 3;
  CHECK(message(x).find("kv_heads must divide heads") != std::string::npos);
  o.kv_heads = 2;
  o.causal = true;
  const Tensor kv = Tensor::zeros(cpu(), {10, 16}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::attention(q, kv, o), doctest::Contains("queries of their own need cu_k"), Error);
  o.cu_k = cu({0, 9});
  CHECK_THROWS_WITH_AS(ops::attention(q, kv, o), doctest::Contains("at least as many keys as queries"), Error);
  CHECK_THROWS_WITH_AS(ops::attention(q, q, o), doctest::Contains("kv must be (N, 2 NKV HD)"), Error);
  CHECK_THROWS_WITH_AS(ops::attention(q, kv.to(DType::f64), o), doctest::Contains("one dtype"), Error);
}

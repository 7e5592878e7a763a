#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

struct Slice {
  int64_t begin, rows;
};

// Inputs, in this order: x, w, bias, a, b of each part, then (if perturbed) E_A and E of each part.
struct Case {
  int64_t N, M, O, R;
  std::vector<Slice> parts;
  bool perturbed = false;
  double p = 0, scale = 1.5;
  int64_t KR() const { return static_cast<int64_t>(parts.size()) * R; }
  std::string name() const {
    return fmt::format("N {} M {} O {} R {} parts {} perturbed {} p {}", N, M, O, R, parts.size(), perturbed, p);
  }
};

std::vector<int32_t> example_of(int64_t N) {
  std::vector<int32_t> v;
  for (int64_t n = 0; n < N; ++n) v.push_back(static_cast<int32_t>(100 + n / 7));
  return v;
}
std::vector<int32_t> position_of(int64_t N) {
  std::vector<int32_t> v;
  for (int64_t n = 0; n < N; ++n) v.push_back(static_cast<int32_t>(n % 7));
  return v;
}

Dropout dropout_of(Context& context, const Case& c) {
  Dropout d;
  d.p = c.p;
  d.seed = 5;
  d.step = 3;
  d.op = 17;
  if (c.p == 0) return d;
  d.example = Tensor::from<int32_t>(context, {c.N}, example_of(c.N));
  d.position = Tensor::from<int32_t>(context, {c.N}, position_of(c.N));
  return d;
}

// f of the header, one draw at a time.
Values factors(const Case& c) {
  Values f(c.N * c.M, 1.0);
  if (c.p == 0) return f;
  const auto example = example_of(c.N), position = position_of(c.N);
  for (int64_t n = 0; n < c.N; ++n)
    for (int64_t m = 0; m < c.M; ++m) {
      const int64_t row = n;
      const PhiloxBlock block = philox(philox_key(5, 3, 17), static_cast<uint32_t>(example[row]),
                                       static_cast<uint32_t>(position[row]), static_cast<uint32_t>(m / 8), 0);
      const bool kept = draw16(block, static_cast<int>(m % 8)) >= drop_threshold(c.p);
      f[n * c.M + m] = kept ? 1 / (1 - c.p) : 0;
    }
  return f;
}

Values oracle(const Case& c, const std::vector<Values>& in) {
  const auto at = [](const Values& v, int64_t i, int64_t j, int64_t width) { return v[i * width + j]; };
  const Values f = factors(c);
  const size_t K = c.parts.size();
  Values y(c.N * c.O);
  for (int64_t n = 0; n < c.N; ++n) {
    for (int64_t o = 0; o < c.O; ++o) {
      double sum = in[2][o];
      for (int64_t m = 0; m < c.M; ++m) sum += at(in[0], n, m, c.M) * at(in[1], o, m, c.M);
      y[n * c.O + o] = sum;
    }
    for (size_t k = 0; k < K; ++k)
      for (int64_t r = 0; r < c.R; ++r) {
        const int64_t row = static_cast<int64_t>(k) * c.R + r;
        double xa = 0;
        for (int64_t m = 0; m < c.M; ++m) {
          const double a = at(in[3], row, m, c.M) + (c.perturbed ? at(in[4 + K], row, m, c.M) : 0);
          xa += at(in[0], n, m, c.M) * at(f, n, m, c.M) * a;
        }
        for (int64_t i = 0; i < c.parts[k].rows; ++i) {
          const double b = at(in[4 + k], i, r, c.R) + (c.perturbed ? at(in[5 + K + k], i, r, c.R) : 0);
          y[n * c.O + c.parts[k].begin + i] += c.scale * xa * b;
        }
      }
  }
  return y;
}

std::vector<Input> inputs_of(const Case& c) {
  const double rms = 1 / std::sqrt(static_cast<double>(c.M));
  std::vector<Input> in = {{{c.N, c.M}}, {{c.O, c.M}, true, rms}, {{c.O}}, {{c.KR(), c.M}, true, rms}};
  for (const Slice& s : c.parts) in.push_back({{s.rows, c.R}});
  if (!c.perturbed) return in;
  in.push_back({{c.KR(), c.M}, false, 0.3 * rms});
  for (const Slice& s : c.parts) in.push_back({{s.rows, c.R}, false, 0.3});
  return in;
}

LoraGroup group_of(const Case& c, const std::vector<Tensor>& in) {
  const size_t K = c.parts.size();
  LoraGroup g;
  g.a = in[3];
  g.rank = c.R;
  g.scale = c.scale;
  g.dropout = dropout_of(in[0].context(), c);
  if (c.perturbed) g.a_perturbation = in[4 + K];
  for (size_t k = 0; k < K; ++k)
    g.parts.push_back({in[4 + k], c.perturbed ? in[5 + K + k] : Tensor(), c.parts[k].begin});
  return g;
}

Tensor run(const Case& c, const std::vector<Tensor>& in) {
  return ops::lora_linear(in[0], in[1], in[2], group_of(c, in));
}

std::vector<Tensor> tensors(const Case& c, Context& context, DType dtype) {
  std::vector<Tensor> out;
  for (const Input& in : inputs_of(c)) {
    const Values v = random_values(numel_of(in.shape), 31 * (out.size() + 1), in.scale);
    out.push_back(Tensor::from<double>(context, in.shape, v).to(dtype));
  }
  return out;
}

Tensor seed(const Case& c, Context& context, DType dtype) {
  return Tensor::from<double>(context, {c.N, c.O}, random_values(c.N * c.O, 5)).to(dtype);
}

Values values(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

}  // namespace

TEST_CASE("lora_linear: values and gradients") {
  const std::vector<Case> cases = {
      {1, 1, 1, 1, {{0, 1}}},
      {1, 33, 31, 3, {{0, 31}}},
      {31, 7, 12, 8, {{0, 4}, {8, 4}}},  // first and third of three
      {33, 31, 30, 1, {{0, 10}, {10, 10}, {20, 10}}},
      {257, 40, 21, 3, {{5, 9}}},             // rows inside one matrix
      {31, 257, 96, 8, {{64, 32}, {0, 32}}},  // in another order
      {8, 768, 96, 8, {{0, 32}, {64, 32}}},
  };
  for (Case c : cases)
    for (const bool perturbed : {false, true})
      for (const double p : {0.0, 0.3}) {
        c.perturbed = perturbed;
        c.p = p;
        check_op({.name = c.name(),
                  .inputs = inputs_of(c),
                  .run = [c](const std::vector<Tensor>& in) { return run(c, in); },
                  .oracle = [c](const std::vector<Values>& in) { return oracle(c, in); }});
      }
}

TEST_CASE("lora_linear: tiles of the dropped input, more rows and columns than one") {
  const Case c{260, 520, 5, 1, {{0, 2}, {3, 2}}, true, 0.5};
  check_op({.name = c.name(),
            .inputs = inputs_of(c),
            .run = [c](const std::vector<Tensor>& in) { return run(c, in); },
            .oracle = [c](const std::vector<Values>& in) { return oracle(c, in); }});
}

TEST_CASE("lora_linear: everything dropped leaves the linear layer") {
  const Case c{5, 16, 6, 2, {{0, 6}}, false, 1.0};
  std::vector<Tensor> in = tensors(c, cpu(), DType::f64);
  in[0].set_requires_grad();
  in[3].set_requires_grad();
  const Tensor y = run(c, in);
  CHECK(max_abs_diff(values(y), values(ops::linear(in[0].detach(), in[1], in[2]))) < 1e-14);
  cpu().tape().backward_to(0, y, seed(c, cpu(), DType::f64));
  CHECK(max_abs_diff(values(in[3].grad()), Values(32, 0.0)) == 0);
}

TEST_CASE("lora_linear equals linear and two matmuls per part, forward and backward") {
  for (const bool perturbed : {false, true}) {
    const Case c{33, 31, 12, 3, {{0, 4}, {8, 4}}, perturbed};
    std::vector<Tensor> in = tensors(c, cpu(), DType::f64);
    for (size_t i = 0; i < 6; ++i) in[i].set_requires_grad();
    cpu().tape().backward_to(0, run(c, in), seed(c, cpu(), DType::f64));
    // The same by the ops one would write without lora_linear; 0/1 matrices pick and place each part.
    std::vector<Tensor> ref = tensors(c, cpu(), DType::f64);
    for (size_t i = 0; i < 6; ++i) ref[i].set_requires_grad();
    const auto shifted = [&](size_t i, size_t e) { return perturbed ? ops::add(ref[i], ref[e]) : ref[i]; };
    const Tensor a = shifted(3, 6);
    Tensor y = ops::linear(ref[0], ref[1], ref[2]);
    const Tensor xa = ops::matmul(ref[0], a, false, true);  // (N, K R)
    for (size_t k = 0; k < 2; ++k) {
      Values pick(6 * 3, 0.0), place(4 * 12, 0.0);
      for (size_t r = 0; r < 3; ++r) pick[(3 * k + r) * 3 + r] = 1;
      for (size_t i = 0; i < 4; ++i) place[i * 12 + c.parts[k].begin + i] = 1;
      const Tensor xa_k = ops::matmul(xa, Tensor::from<double>(cpu(), {6, 3}, pick));
      const Tensor y_k = ops::matmul(xa_k, shifted(4 + k, 7 + k), false, true);
      y = ops::add(y, ops::scale(ops::matmul(y_k, Tensor::from<double>(cpu(), {4, 12}, place)), c.scale));
    }
    CHECK(max_abs_diff(values(y), values(run(c, tensors(c, cpu(), DType::f64)))) < 1e-13);
    cpu().tape().backward_to(0, y, seed(c, cpu(), DType::f64));
    for (size_t i = 0; i < 6; ++i) {
      INFO("gradient of input " << i);
      CHECK(max_abs_diff(values(in[i].grad()), values(ref[i].grad())) < 1e-12);
    }
  }
}

TEST_CASE("lora_linear: G_A A^T = B^T G_B for each part, at the point that the forward read") {
  for (const bool perturbed : {false, true})
    for (const double p : {0.0, 0.1}) {
      const Case c{33, 31, 12, 3, {{0, 4}, {8, 4}}, perturbed, p};
      std::vector<Tensor> in = tensors(c, cpu(), DType::f64);
      for (const size_t i : {3u, 4u, 5u}) in[i].set_requires_grad();
      cpu().tape().backward_to(0, run(c, in), seed(c, cpu(), DType::f64));
      const auto read = [&](size_t i, size_t e) {
        return perturbed ? ops::add(in[i].detach(), in[e]) : in[i].detach();
      };
      const Tensor a = read(3, 6);
      for (int64_t k = 0; k < 2; ++k) {
        const int64_t b = 4 + k;
        const Tensor left =
            ops::matmul(in[3].grad().slice_rows(3 * k, 3 * k + 3), a.slice_rows(3 * k, 3 * k + 3), false, true);
        const Tensor right = ops::matmul(read(b, b + 3), in[b].grad(), true, false);
        CHECK(max_abs_diff(values(left), values(right)) < 1e-12);
      }
    }
}

TEST_CASE("lora_linear: frozen tensors get no gradient, and no memory is kept for them") {
  const Case c{64, 1024, 12, 2, {{0, 4}, {8, 4}}};
  const auto held = [&](std::initializer_list<size_t> trained) {
    std::vector<Tensor> in = tensors(c, cpu(), DType::f64);
    for (const size_t i : trained) in[i].set_requires_grad();
    const Tensor leaf = in[0];
    const size_t before = cpu().memory().live_bytes();
    in[0] = ops::scale(leaf, 2.0);
    const Tensor y = run(c, in);
    in[0] = Tensor();
    const size_t bytes = cpu().memory().live_bytes() - before - y.nbytes();
    cpu().tape().backward_to(0, y, seed(c, cpu(), DType::f64));
    for (size_t i = 1; i < in.size(); ++i)
      CHECK(in[i].grad().defined() == (std::count(trained.begin(), trained.end(), i) == 1));
    CHECK(leaf.grad().defined() == leaf.requires_grad());
    return bytes;
  };
  const size_t x = 64 * 1024 * 8, xa = 64 * 4 * 8;
  CHECK(held({}) == 0);
  CHECK(held({0}) == 0);
  CHECK(held({4, 5}) == xa);
  CHECK(held({0, 5}) == xa);
  CHECK(held({3}) == x);
  CHECK(held({0, 3, 4, 5}) == x + xa);
  CHECK(held({1}) == x);
}

TEST_CASE("lora_linear: gradients add to what is in the sinks") {
  for (const double p : {0.0, 0.3}) {
    const Case c{33, 31, 12, 3, {{0, 4}, {8, 4}}, false, p};
    std::vector<Tensor> in = tensors(c, cpu(), DType::f64);
    std::vector<Tensor> buffers;
    for (Tensor& t : in) {
      buffers.push_back(Tensor::zeros_like(t));
      t.set_grad_buffer(buffers.back());
    }
    cpu().tape().backward_to(0, run(c, in), seed(c, cpu(), DType::f64));
    std::vector<Values> once;
    for (const Tensor& b : buffers) once.push_back(values(b));
    // Two readers of the same tensors in one pass.
    for (const Tensor& b : buffers) b.fill_zero();
    cpu().tape().backward_to(0, ops::add(run(c, in), run(c, in)), seed(c, cpu(), DType::f64));
    for (size_t i = 0; i < in.size(); ++i) {
      Values twice = once[i];
      for (double& v : twice) v *= 2;
      INFO("input " << i);
      CHECK(max_abs_diff(values(buffers[i]), twice) < 1e-12);
    }
  }
}

// The tiles are fixed; the tolerance is for the sums of oneDNN and OpenBLAS inside them.
TEST_CASE("lora_linear: with dropout, masks are the same with any number of threads") {
  const Case c{300, 650, 9, 2, {{0, 3}, {6, 3}}, false, 0.5};
  std::vector<Values> results;
  for (const int threads : {1, 2, 5}) {
    Context context({}, threads);
    std::vector<Tensor> in = tensors(c, context, DType::f64);
    in[0].set_requires_grad();
    in[3].set_requires_grad();
    const Tensor y = run(c, in);
    context.tape().backward_to(0, y, seed(c, context, DType::f64));
    Values all = values(y);
    for (const size_t i : {0u, 3u})
      for (const double v : values(in[i].grad())) all.push_back(v);
    results.push_back(std::move(all));
  }
  CHECK(max_abs_diff(results[0], results[1]) < 1e-12);
  CHECK(max_abs_diff(results[0], results[2]) < 1e-12);
}

TEST_CASE("lora_linear: no rows") {
  const Case c{0, 8, 6, 2, {{0, 6}}};
  std::vector<Tensor> in = tensors(c, cpu(), DType::f32);
  for (Tensor& t : in) t.set_requires_grad();
  const Tensor y = run(c, in);
  CHECK(y.shape() == Shape{0, 6});
  cpu().tape().backward_to(0, y, Tensor::empty_like(y));
  CHECK(max_abs_diff(values(in[3].grad()), Values(16, 0.0)) == 0);
  CHECK(max_abs_diff(values(in[4].grad()), Values(12, 0.0)) == 0);
}

TEST_CASE("lora_linear: what does not fit is refused with shapes") {
  const Case c{2, 8, 6, 2, {{0, 3}, {3, 3}}};
  const std::vector<Tensor> in = tensors(c, cpu(), DType::f32);
  const auto throws = [&](const LoraGroup& g, const std::string& start) {
    try {
      ops::lora_linear(in[0], in[1], in[2], g);
      FAIL("accepted: " << start);
    } catch (const Error& e) {
      CHECK_MESSAGE(std::string(e.what()).rfind(start, 0) == 0, e.what());
    }
  };
  const LoraGroup good = group_of(c, in);
  CHECK_NOTHROW(ops::lora_linear(in[0], in[1], in[2], good));
  LoraGroup g = good;
  g.parts.clear();
  throws(g, "[lora_linear] the group must have a part and a rank of at least 1 | x: (2,8) f32 cpu");
  g = good;
  g.a = in[3].slice_rows(0, 2);
  throws(g, "[lora_linear] a must be (parts * rank, M)");
  g = good;
  g.parts[1].row_begin = 4;
  throws(g,
         "[lora_linear] b of part 1 must be (n, 2) in the dtype of x with rows [4, 4 + n) inside w, it is "
         "(3,2) f32 cpu");
  g = good;
  g.parts[0].b_perturbation = in[3];
  throws(g, "[lora_linear] the perturbation of part 0 is (4,8) f32 cpu, b is (3,2) f32 cpu");
  g = good;
  g.a_perturbation = in[1];
  throws(g, "[lora_linear] the perturbation of a must have its shape and dtype");
  g = good;
  g.dropout.p = 0.1;
  throws(g, "[lora_linear] dropout needs the example and the position of every row");
}

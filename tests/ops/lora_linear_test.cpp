#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/as_activation.h"
#include "tests/ops/dropout_rows.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

struct Slice {
  int64_t row_begin, n;
  int64_t R = 0;  // 0: the case's
  double scale = 1.5;
};

// Inputs, in this order: x, w, bias, a, b of each part, then (if perturbed) E_A and E of each part.
struct Case {
  int64_t N, M, O, R;
  std::vector<Slice> parts;
  bool perturbed = false;
  double p = 0;
  int64_t rank(const Slice& s) const { return s.R == 0 ? R : s.R; }
  int64_t KR() const {
    int64_t sum = 0;
    for (const Slice& s : parts) sum += rank(s);
    return sum;
  }
  std::string name() const {
    return fmt::format("N {} M {} O {} R {} parts {} perturbed {} p {}", N, M, O, R, parts.size(), perturbed, p);
  }
};

std::vector<Input> inputs_of(const Case& c) {
  const double rms = 1 / std::sqrt(static_cast<double>(c.M));
  std::vector<Input> in = {{{c.N, c.M}}, {{c.O, c.M}, true, rms}, {{c.O}}, {{c.KR(), c.M}, true, rms}};
  for (const Slice& s : c.parts) in.push_back({{s.n, c.rank(s)}});
  if (!c.perturbed) return in;
  in.push_back({{c.KR(), c.M}, false, 0.3 * rms});
  for (const Slice& s : c.parts) in.push_back({{s.n, c.rank(s)}, false, 0.3});
  return in;
}

LoraGroup group_of(const Case& c, const Tensors& in) {
  const size_t K = c.parts.size();
  LoraGroup g;
  g.a = in[3];
  if (c.p > 0) g.dropout = dropout_of(c.p, c.N, in[0].context());
  if (c.perturbed) g.a_perturbation = in[4 + K];
  for (size_t k = 0; k < K; ++k)
    g.parts.push_back({in[4 + k], c.perturbed ? in[5 + K + k] : Tensor(), c.parts[k].row_begin, c.parts[k].scale});
  return g;
}

Tensor run(const Case& c, const Tensors& in) {
  return ops::lora_linear(as_activation(in[0]), in[1], in[2], group_of(c, in));
}

// A and B as the forward reads them.
Values read_a(const Case& c, const Arrays& in) {
  return c.perturbed ? reference::add(in[3], in[4 + c.parts.size()]) : in[3];
}
Arrays read_b(const Case& c, const Arrays& in) {
  const size_t K = c.parts.size();
  Arrays b;
  for (size_t k = 0; k < K; ++k) b.push_back(c.perturbed ? reference::add(in[4 + k], in[5 + K + k]) : in[4 + k]);
  return b;
}

void check(const Case& c) {
  const Dropout dropout = dropout_of(c.p, c.N);
  reference::LoraShape shape{c.N, c.M, c.O, {}, rows_of(dropout)};
  for (const Slice& s : c.parts) shape.parts.push_back({s.row_begin, s.n, c.rank(s), s.scale});
  check_op({.name = c.name(),
            .inputs = inputs_of(c),
            .run = [&](const Tensors& in) { return run(c, in); },
            .forward =
                [&](const Arrays& in) {
                  return reference::lora_linear_forward(in[0], in[1], in[2], read_a(c, in), read_b(c, in), shape);
                },
            .backward =
                [&](const Arrays& in, const Values& dy) {
                  const auto [dx, dw, db, da, b_parts] =
                      reference::lora_linear_backward(dy, in[0], in[1], read_a(c, in), read_b(c, in), shape);
                  Arrays gradients = {dx, dw, db, da};
                  gradients.insert(gradients.end(), b_parts.begin(), b_parts.end());
                  return gradients;
                }});
}

Tensors tensors(const Case& c, Context& context, DType dtype) {
  Tensors out;
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
      {33, 31, 30, 0, {{0, 10, 3, 0.5}, {10, 10, 1, 4}, {20, 10, 17, -1.25}}},  // ranks and scales of their own
      {7, 40, 21, 0, {{5, 9, 31, 2}, {0, 4, 2}}},
  };
  for (Case c : cases)
    for (const bool perturbed : {false, true})
      for (const double p : {0.0, 0.3}) {
        c.perturbed = perturbed;
        c.p = p;
        check(c);
      }
}

TEST_CASE("lora_linear: pairs beside are as more parts of one group, under the same mask") {
  const Case c{31, 40, 30, 0, {{0, 10, 3, 0.5}, {20, 10, 2, 4}, {0, 10, 5, -1}, {20, 10, 1, 2}}, false, 0.3};
  const auto results = [&](bool apart) {
    Tensors in = tensors(c, cpu(), DType::f64);
    for (Tensor& t : in) t.set_requires_grad();
    LoraGroup lora = group_of(c, in), beside;
    std::vector<Tensor> halves;  // of a, as leaves
    if (apart) {
      for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 5}, {5, 11}}) {
        halves.push_back(in[3].slice_rows(begin, end));
        halves.back().set_requires_grad();
      }
      lora.a = halves[0];
      beside.a = halves[1];
      beside.parts.assign(lora.parts.begin() + 2, lora.parts.end());
      lora.parts.resize(2);
    }
    const Tensor y = ops::lora_linear(in[0], in[1], in[2], lora, beside);
    std::vector<Values> all = {values(y)};
    cpu().tape().backward_to(0, y, seed(c, cpu(), DType::f64));
    for (const size_t i : {0u, 1u, 2u, 4u, 5u, 6u, 7u}) all.push_back(values(in[i].grad()));
    Values da;
    for (const Tensor& half : apart ? halves : std::vector<Tensor>{in[3]})
      for (const double x : values(half.grad())) da.push_back(x);
    all.push_back(da);
    return all;
  };
  const auto one = results(false), two = results(true);
  for (size_t i = 0; i < one.size(); ++i) CHECK(max_abs_diff(two[i], one[i]) < 1e-12);
}

TEST_CASE("lora_linear: tiles of the dropped input, more rows and columns than one") {
  check({260, 520, 5, 1, {{0, 2}, {3, 2}}, true, 0.5});
}

TEST_CASE("lora_linear: everything dropped leaves the linear layer") {
  const Case c{5, 16, 6, 2, {{0, 6}}, false, 1.0};
  Tensors in = tensors(c, cpu(), DType::f64);
  in[0].set_requires_grad();
  in[3].set_requires_grad();
  const Tensor y = run(c, in);
  CHECK(max_abs_diff(values(y), values(ops::linear(in[0].detach(), in[1], in[2]))) < 1e-14);
  cpu().tape().backward_to(0, y, seed(c, cpu(), DType::f64));
  CHECK(max_abs_diff(values(in[3].grad()), Values(32, 0.0)) == 0);
}

TEST_CASE("lora_linear: G_A A^T = B^T G_B for each part, at the point that the forward read") {
  for (const bool perturbed : {false, true})
    for (const double p : {0.0, 0.1}) {
      const Case c{33, 31, 12, 3, {{0, 4}, {8, 4}}, perturbed, p};
      Tensors in = tensors(c, cpu(), DType::f64);
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
    Tensors in = tensors(c, cpu(), DType::f64);
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
    Tensors in = tensors(c, cpu(), DType::f64);
    Tensors buffers;
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
    Tensors in = tensors(c, context, DType::f64);
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
  Tensors in = tensors(c, cpu(), DType::f32);
  for (Tensor& t : in) t.set_requires_grad();
  const Tensor y = run(c, in);
  CHECK(y.shape() == Shape{0, 6});
  cpu().tape().backward_to(0, y, Tensor::empty_like(y));
  CHECK(max_abs_diff(values(in[3].grad()), Values(16, 0.0)) == 0);
  CHECK(max_abs_diff(values(in[4].grad()), Values(12, 0.0)) == 0);
}

TEST_CASE("lora_linear: what does not fit is refused with shapes") {
  const Case c{2, 8, 6, 2, {{0, 3}, {3, 3}}};
  const Tensors in = tensors(c, cpu(), DType::f32);
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
  throws(g, "[lora_linear] the group must have a part | x: (2,8) f32 cpu");
  g = good;
  g.a = in[3].slice_rows(0, 2);
  throws(g, "[lora_linear] a must be (sum of the parts' ranks, M)");
  g = good;
  g.parts[1].row_begin = 4;
  throws(g,
         "[lora_linear] b of part 1 must be (n, R) in the dtype of x with rows [4, 4 + n) inside w, it is "
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

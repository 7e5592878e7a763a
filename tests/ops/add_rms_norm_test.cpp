#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/as_activation.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

AddNorm run(const Tensors& in) { return ops::add_rms_norm(as_activation(in[0]), as_activation(in[1]), in[2], 1e-5); }

// Both results as one: z y, whose gradients are dy y and dy z.
OpCase case_of(int64_t N, int64_t C, int marked = 7) {
  const auto forward = [=](const Arrays& in) {
    return reference::add_rms_norm_forward(in[0], in[1], in[2], N, C, 1e-5f);
  };
  return {.name = "N " + std::to_string(N) + " C " + std::to_string(C) + " marked " + std::to_string(marked),
          .inputs = {{.shape = {N, C}, .differentiate = (marked & 1) != 0},
                     {.shape = {N, C}, .differentiate = (marked & 2) != 0},
                     {.shape = {C}, .differentiate = (marked & 4) != 0}},
          .run =
              [](const Tensors& in) {
                const auto [z, y] = run(in);
                return ops::mul(z, y);
              },
          .forward =
              [=](const Arrays& in) {
                const auto o = forward(in);
                return reference::mul(o.z, o.y);
              },
          .backward =
              [=](const Arrays& in, const Values& dy) {
                const auto o = forward(in);
                const auto [dz, dw] = reference::add_rms_norm_backward(reference::mul(dy, o.y), reference::mul(dy, o.z),
                                                                       o.z, in[2], o.rstd, N, C);
                return Arrays{dz, dz, dw};
              }};
}

Tensors inputs_of(Context& context, int64_t N, int64_t C) {
  Tensors in;
  for (const Shape& shape : std::vector<Shape>{{N, C}, {N, C}, {C}}) {
    in.push_back(Tensor::from<double>(context, shape, random_values(numel_of(shape), 31 + in.size())).to(DType::f32));
    in.back().set_requires_grad();
  }
  return in;
}

// What the op, or the two ops that it equals, compute in f32: both results and all gradients, where y, or z and y, have
// readers.
std::vector<std::vector<float>> bits_of(Context& context, int64_t N, int64_t C, bool fused, bool of_z) {
  const Tensors in = inputs_of(context, N, C);
  AddNorm o;
  if (fused) {
    o = run(in);
  } else {
    o.sum = ops::add(in[1], in[0]);
    o.norm = ops::rms_norm(o.sum, in[2], 1e-5);
  }
  std::vector<std::vector<float>> bits = {o.sum.to_vector<float>(), o.norm.to_vector<float>()};
  const Tensor y = of_z ? ops::add(o.norm, o.sum) : o.norm;  // add gives one dy to both
  const Tensor dy = Tensor::from<double>(context, {N, C}, random_values(N * C, 8)).to(DType::f32);
  context.tape().backward_to(0, y, dy);
  for (const Tensor& t : in) bits.push_back(t.grad().to_vector<float>());
  return bits;
}

}  // namespace

TEST_CASE("add_rms_norm: values and gradients") {
  for (const auto& [N, C] : {std::pair<int64_t, int64_t>{1, 1}, {3, 31}, {33, 33}, {70, 257}, {5, 768}})
    check_op(case_of(N, C));
}

TEST_CASE("add_rms_norm: gradients of some of the inputs only") {
  for (int marked = 1; marked < 7; ++marked) check_op(case_of(37, 33, marked));
}

TEST_CASE("add_rms_norm: on the CPU the bits of the two ops that it equals, with any number of threads") {
  if (test_device() != "cpu") return;
  for (const bool of_z : {false, true})
    for (const auto& [N, C] : {std::pair<int64_t, int64_t>{3, 31}, {101, 257}, {70, 768}, {5, 2049}}) {
      const int64_t columns = C;
      CAPTURE(columns);
      Context one({}, 1), three({}, 3);
      const auto bits = bits_of(one, N, C, true, of_z);
      const auto apart = bits_of(one, N, C, false, of_z), threads = bits_of(three, N, C, true, of_z);
      for (size_t i = 0; i < bits.size(); ++i) {  // the sum, its norm, gradients
        CAPTURE(i);
        CHECK(bits[i] == apart[i]);
        CHECK(bits[i] == threads[i]);
      }
    }
}

TEST_CASE("add_rms_norm: keeps the sum only, and nothing at all when nothing is trained") {
  Tensor x = Tensor::zeros(cpu(), {4, 8}, DType::f32), residual = Tensor::zeros_like(x);
  const Tensor w = Tensor::zeros(cpu(), {8}, DType::f32);
  CHECK_FALSE(ops::add_rms_norm(x, residual, w, 1e-5).norm.requires_grad());
  CHECK(cpu().tape().size() == 0);
  x.set_requires_grad();
  const auto [z, y] = ops::add_rms_norm(x, residual, w, 1e-5);
  CHECK(z.requires_grad());
  CHECK(x.sole_owner());
  CHECK(residual.sole_owner());
  CHECK(y.sole_owner());
  CHECK_FALSE(z.sole_owner());
  cpu().tape().clear();
}

TEST_CASE("add_rms_norm: a residual of another shape is refused with shapes") {
  const Tensor x = Tensor::zeros(cpu(), {2, 8}, DType::f32), residual = Tensor::zeros(cpu(), {3, 8}, DType::f32);
  const Tensor w = Tensor::zeros(cpu(), {8}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::add_rms_norm(x, residual, w, 1e-5),
                       "[add_rms_norm] residual must be like x | x: (2,8) f32 cpu | residual: (3,8) f32 cpu | "
                       "w: (8) f32 cpu",
                       Error);
}

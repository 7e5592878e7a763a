// Frozen parameters in pieces: q, k and v of one matrix, each of the type that a checkpoint has it in.
#include "nn/parameter.h"

#include <doctest/doctest.h>

#include <array>

#include "engine/autograd.h"
#include "engine/error.h"
#include "nn/model.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

// q (5, 64) over k (2, 64) over v (2, 64), with a pair on each.
class Qkv : public nn::Model {
 public:
  Qkv() : qkv_(own(std::make_unique<nn::Linear>(parameters_, parts(), 64))) {
    nn::LoraConfig config;
    config.rank = 2;
    config.alpha = 4;
    config.targets = [](const std::string&) { return true; };
    attach_lora(config);
  }
  static std::vector<nn::Linear::Part> parts() { return {{"q", 5}, {"k", 2}, {"v", 2}}; }
  nn::Parameter& weight() const { return qkv_->weight(); }
  // y and the gradients of x and of the pairs
  std::array<Values, 3> pass(size_t first, size_t count) const {
    const nn::Rows rows = nn::pack(context(), {{{1, 1, 1}, 0, {0, 1, 2}}});
    Tensor x = Tensor::from<double>(context(), {3, 64}, random_values(192, 5));
    x.set_requires_grad();
    arena().zero_grads();
    const Tensor y = qkv_->forward_parts(x, first, count, rows.all, nn::Mode::evaluation());
    context().tape().backward_to(0, y, Tensor::from<double>(context(), y.shape(), random_values(y.numel(), 6)));
    return {y.to_vector<double>(), x.grad().to_vector<double>(), arena().grads().to(DType::f64).to_vector<double>()};
  }

 private:
  nn::Linear* qkv_;
};

}  // namespace

namespace {

const std::map<std::string, DType> kMixed = {
    {"q.weight", DType::q8_0}, {"k.weight", DType::q8_0}, {"v.weight", DType::nf4}};

void begin(Qkv& model) {
  model.materialise(cpu(), DType::f64);
  model.parameters().initialise(3, 0.5, [](const std::string&) { return true; });
  model.initialise_adapters(3);
  for (const nn::AdapterSpec& a : model.adapters())
    model.arena().master(a.b).assign(random_values(a.n * a.r, a.n));  // zero gives A no gradient
}

}  // namespace

TEST_CASE("parameters: named rows of one matrix keep types of their own, equal neighbours in one piece") {
  Qkv model;
  model.set_stored_blocks(kMixed);
  begin(model);
  const nn::Parameter& w = model.weight();
  REQUIRE(w.pieces.size() == 2);
  CHECK_FALSE(w.value.defined());
  CHECK(describe(w.pieces[0].value) == "(7,64) q8_0 " + cpu().device().name());
  CHECK(describe(w.pieces[1].value) == "(2,64) nf4 " + cpu().device().name());
  CHECK(w.pieces[1].begin == 7);
  CHECK(w.pieces[1].end == 9);
  CHECK(w.frozen_bytes() == w.pieces[0].value.nbytes() + w.pieces[1].value.nbytes());
  const Tensor k = model.parameters().find("k.weight"), v = model.parameters().find("v.weight");
  CHECK(k.shape() == Shape{2, 64});
  CHECK(k.dtype() == DType::q8_0);
  CHECK(v.dtype() == DType::nf4);
  CHECK(w.weight(5, 7).below.empty());
  CHECK(w.weight(6, 8).below.size() == 1);
  CHECK(w.weight(6, 8).rows() == 2);
  CHECK_THROWS_WITH_AS(w.stored(6, 8), "rows [6, 8) of q.weight do not lie in one piece", Error);

  Qkv some;  // what the checkpoint has in numbers stays so, or is quantised on reading
  some.set_stored_blocks({{"k.weight", DType::q4_0}});
  some.materialise(cpu(), DType::f32);
  CHECK(some.weight().pieces.size() == 3);
  CHECK(some.parameters().find("v.weight").dtype() == DType::f32);
  Qkv quantised;
  quantised.set_stored_blocks({{"k.weight", DType::q4_0}});
  quantised.set_quantised(DType::int8);
  quantised.materialise(cpu(), DType::f32);
  CHECK(quantised.parameters().find("v.weight").dtype() == DType::int8);
}

TEST_CASE("parameters: products and gradients over pieces are those of the whole") {
  Qkv pieces, whole;
  pieces.set_stored_blocks(kMixed);
  begin(pieces);
  begin(whole);
  for (const auto& [name, value] : whole.parameters().named())
    if (const Tensor from = pieces.parameters().find(name); is_blocks(from.dtype())) value.copy_from(from);
  for (const auto& [first, count] : {std::pair<size_t, size_t>{0, 3}, {0, 1}, {1, 2}, {2, 1}}) {
    const auto a = pieces.pass(first, count), b = whole.pass(first, count);
    for (size_t i = 0; i < a.size(); ++i) {
      CHECK(max_abs_diff(b[i], Values(b[i].size())) > 0.1);
      CHECK(max_abs_diff(a[i], b[i]) <= 1e-12);
    }
  }
}

TEST_CASE("parameters: pieces are shared with a model that would cut them alike, and with no other") {
  Qkv first;
  first.set_stored_blocks(kMixed);
  begin(first);
  const auto from_first = [&](std::map<std::string, DType> types, DType dtype) {
    Qkv model;
    model.set_stored_blocks(std::move(types));
    model.parameters().share(first.parameters().frozen());
    model.materialise(cpu(), dtype);
    return model.weight().shared &&
           model.weight().pieces.back().value.raw() == first.weight().pieces.back().value.raw();
  };
  CHECK(from_first(kMixed, DType::f64));
  CHECK_FALSE(from_first({}, DType::f64));
  CHECK_FALSE(from_first({{"q.weight", DType::q8_0}, {"k.weight", DType::nf4}, {"v.weight", DType::nf4}}, DType::f64));
}

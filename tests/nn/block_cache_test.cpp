// What is kept of frozen blocks: what its key is made of, and what gives way when there is no more room.
#include <doctest/doctest.h>

#include "engine/ops/ops.h"
#include "nn/block_cache.h"
#include "nn/model.h"

using namespace lowland;
using namespace lowland::nn;

namespace {

// Rows of two segments, the second of `second` tokens.
Rows rows_of(Context& context, int32_t second = 2) {
  Segment a{.ids = {1, 2, 3}, .example = 0, .select = {0}}, b{.ids = {4}, .example = 1, .select = {0}};
  b.ids.resize(second, 5);
  return pack(context, {a, b});
}

struct Kept {
  Context context;
  BlockCache cache;
  int64_t calls = 0;

  explicit Kept(size_t bytes) : cache(bytes) {}
  float ask(float value, const Rows& rows, const Mode& mode, bool drops, int64_t blocks = 1) {
    const Tensor x = Tensor::from<float>(context, {rows.N, 1}, std::vector<float>(rows.N, value));
    const Tensor y = cache.output(blocks, x, rows, mode, drops, [&](const Tensor& in) {
      ++calls;
      return ops::scale(in, static_cast<double>(calls));
    });
    return y.to_vector<float>().back();
  }
};

// Two layers of one map each, with an output layer.
class Chain final : public Model {
 public:
  Chain() {
    for (const char* name : {"base.layer.0.map", "base.layer.1.map", "head"})
      own(std::make_unique<Linear>(parameters_, name, 4, 4));
  }
};

}  // namespace

TEST_CASE("kept blocks: the rows, their segments and, where they drop, the step are the key") {
  Kept k(1 << 20);
  const Rows rows = rows_of(k.context);
  const Mode first{.training = true, .seed = 1, .step = 1}, later{.training = true, .seed = 1, .step = 2};
  CHECK(k.ask(1, rows, first, false) == 1);
  CHECK(k.ask(1, rows, later, false) == 1);  // nothing is drawn
  CHECK(k.ask(1, rows, Mode::evaluation(), false) == 1);
  CHECK(k.ask(2, rows, first, false) == 2 * 2);
  CHECK(k.ask(1, rows, first, false, 2) == 3);                // two blocks
  CHECK(k.ask(1, rows_of(k.context, 3), first, false) == 4);  // another segment
  CHECK(k.ask(1, rows, Mode::evaluation(), true) == 1);       // an evaluation drops nothing
  CHECK(k.ask(1, rows, first, true) == 5);
  CHECK(k.ask(1, rows, later, true) == 6);
  CHECK(k.ask(1, rows, {.training = true, .seed = 2, .step = 1}, true) == 7);
  CHECK(k.ask(1, rows, first, true) == 5);
  CHECK(k.cache.counts().made == 7);
  CHECK(k.cache.counts().found == 4);
  k.cache.clear();
  CHECK(k.ask(1, rows, first, true) == 8);
}

TEST_CASE("kept blocks: only what two runs have not asked for gives way") {
  Kept k(2 * 5 * sizeof(float));  // two batches
  const Rows rows = rows_of(k.context);
  const auto ask = [&](float value) {
    const int64_t before = k.calls;
    k.ask(value, rows, Mode::evaluation(), false);
    return k.calls > before;
  };
  k.cache.begin_run();
  CHECK(ask(1));
  CHECK(ask(2));
  CHECK(ask(3));  // does not fit, and is not kept
  CHECK(ask(3));
  CHECK(!ask(1));
  k.cache.begin_run();
  CHECK(!ask(1));
  CHECK(ask(3));  // 2 is of the run before
  k.cache.begin_run();
  CHECK(ask(3));  // in its place
  CHECK(!ask(3));
  CHECK(!ask(1));
  CHECK(ask(2));
  CHECK(k.cache.counts().bytes == 2 * 5 * sizeof(float));
}

TEST_CASE("frozen blocks: up to the first with something trained, a pair or a probe") {
  Context context;
  const auto frozen = [](const Model& model) { return frozen_blocks(model, "base.layer.", 2); };
  Chain trained;
  CHECK(frozen(trained) == 2);
  trained.train([](const std::string& name) { return name == "head.weight"; });
  CHECK(frozen(trained) == 2);
  trained.train([](const std::string& name) { return name == "base.layer.1.map.bias"; });
  CHECK(frozen(trained) == 1);
  Chain adapted;
  LoraConfig config;
  config.rank = 1;
  config.targets = [](const std::string& module) { return module == "base.layer.1.map"; };
  adapted.attach_lora(config);
  CHECK(frozen(adapted) == 1);
  adapted.materialise(context, DType::f32);
  adapted.linears()[0]->set_probe(Tensor::zeros(context, {4, 4}, DType::f32));
  CHECK(frozen(adapted) == 0);
}

// A base that processes hold in parts: the bits of one that each of them holds whole, and its memory.
#include "nn/shards.h"

#include <doctest/doctest.h>

#include <map>
#include <optional>

#include "apps/train/cost.h"
#include "apps/train/memory_plan.h"
#include "apps/train/step.h"
#include "engine/autograd.h"
#include "engine/device/meta_device.h"
#include "engine/error.h"
#include "models/gpt2/gpt2.h"
#include "models/llama/llama.h"
#include "tests/dist/ranks.h"
#include "tests/emulator.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::apps;
using namespace lowland::test;

namespace {

// Texts of these lengths, each token's next one to be guessed in their second halves.
class Texts : public Objective {
 public:
  Texts(const DecoderConfig& config, std::vector<int32_t> lengths)
      : config_(config.copy()), lengths_(std::move(lengths)) {}
  const std::vector<int32_t>& lengths(DataSplit) const override { return lengths_; }
  PackedBatch pack(const nn::Model& model, DataSplit, const std::vector<int64_t>& which, const Place&) const override {
    std::vector<nn::Segment> segments;
    std::vector<int32_t> targets;
    for (const int64_t i : which) {
      nn::Segment segment{{}, i, {}};
      for (int32_t p = 0; p < lengths_[i]; ++p) {
        segment.ids.push_back(static_cast<int32_t>((7 * i + 3 * p) % config_->vocab_size));
        if (2 * p < lengths_[i]) continue;
        segment.select.push_back(p);
        targets.push_back(static_cast<int32_t>((5 * i + p) % config_->vocab_size));
      }
      segments.push_back(std::move(segment));
    }
    return pack_batch(model.context(), segments, targets);
  }
  Tensor loss(const nn::Model& model, const PackedBatch& b, const nn::Mode& mode, double scale) const override {
    LinearCrossEntropyOptions o;
    o.scale = scale;
    const auto& m = static_cast<const Decoder&>(model);
    return m.loss(m.decode(m.embed(b.rows.ids), b.rows, mode), b.targets, o);  // (1)
  }
  Evaluation evaluate(const nn::Model&, DataSplit, const BatchSettings&) const override { return {}; }
  int64_t head_dim(const nn::Model&) const override { return config_->head_dim; }
  std::unique_ptr<nn::Model> make() const {
    std::unique_ptr<nn::Model> model = config_->new_model();
    nn::LoraConfig lora;
    lora.rank = 2;
    lora.alpha = 4;
    lora.dropout = 0.1;
    lora.targets = [](const std::string&) { return true; };
    model->attach_lora(lora);
    return model;
  }

 private:
  std::unique_ptr<DecoderConfig> config_;
  std::vector<int32_t> lengths_;
};

LlamaConfig small_llama(int64_t layers) {
  LlamaConfig c;
  c.vocab_size = 50;
  c.hidden_size = 64;
  c.intermediate_size = 96;
  c.num_hidden_layers = layers;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 16;
  return c;
}

struct Base {
  std::string name;
  std::optional<DType> frozen = {}, quantised = {};
  std::map<std::string, DType> stored = {};
  bool recompute = false;
};

// Some steps of two micro-batches in process 0 and one, or none, in the others: all trained numbers.
std::vector<float> train(dist::Communicator& ranks, Context& context, const Texts& texts, const Base& base, bool shard,
                         const std::string& method_name) {
  const std::unique_ptr<nn::Model> model = texts.make();
  model->set_recompute(base.recompute);
  if (base.frozen) model->set_frozen_dtype(*base.frozen);
  if (base.quantised) model->set_quantised(*base.quantised);
  model->set_stored_blocks(base.stored);
  if (shard) model->shard(ranks.world(), ranks.rank().index);
  model->materialise(context, DType::f32);
  model->parameters().initialise(1, 0.1, [](const std::string&) { return true; });
  model->initialise_adapters(1);
  if (shard) model->gather_with(&ranks);
  const auto method = optim::make_method(method_name, model->arena(), {});
  const auto loss = [&](const PackedBatch& b, const nn::Mode& mode, double scale) {
    return texts.loss(*model, b, mode, scale);
  };
  TrainingStep step(*model, *method, loss, false);
  step.share(ranks, false);
  const int64_t r = ranks.rank().index, passes = 2;
  for (int64_t index = 0; index < 3; ++index) {
    std::vector<PackedBatch> batches;
    if (r == 0) batches.push_back(texts.pack(*model, DataSplit::train, {0, 1}, {}));
    if (r < 2) batches.push_back(texts.pack(*model, DataSplit::train, {2 + r, 4 - r}, {}));
    step.run(batches, {.index = index, .lr = 1e-2, .rho = 0.05, .seed = 7, .weight = 40, .passes = passes});
    const NoGrad guard(context);  // an evaluation between steps, which all make
    texts.loss(*model, texts.pack(*model, DataSplit::dev, {0, 3}, {}), nn::Mode::evaluation(), 1);
  }
  return model->arena().values().to_vector<float>();
}

std::vector<std::vector<float>> train_all(int world, const Texts& texts, const Base& base, bool shard,
                                          const std::string& method, bool emulated = false) {
  std::vector<std::vector<float>> out(static_cast<size_t>(world));
  must_run(world, [&](dist::Communicator& ranks) {
    const auto context =
        emulated ? std::make_unique<Context>(1, make_emulator(1)) : std::make_unique<Context>(Device{}, 1);
    out[static_cast<size_t>(ranks.rank().index)] = train(ranks, *context, texts, base, shard, method);
  });
  return out;
}

// Counts the batches that this process computes.
class Counted final : public Texts {
 public:
  using Texts::Texts;
  Tensor loss(const nn::Model& model, const PackedBatch& b, const nn::Mode& mode, double scale) const override {
    ++computed;
    return Texts::loss(model, b, mode, scale);
  }
  mutable int64_t computed = 0;
};

// Loss and gradients of a probe over five batches, and how many of them this process computed.
struct Probed {
  std::vector<double> numbers;
  int64_t computed = 0;
};

Probed probe(dist::Communicator* ranks) {
  Context context(Device{}, 1);
  const Counted texts(small_llama(2), {9, 4, 7, 12, 5});
  texts.ranks = ranks;
  const std::unique_ptr<nn::Model> model = texts.make();
  model->materialise(context, DType::f64);
  model->parameters().initialise(1, 0.1, [](const std::string&) { return true; });
  for (const nn::AdapterSpec& a : model->adapters()) model->arena().master(a.b).assign(random_values(a.n * a.r, a.n));
  std::vector<PackedBatch> batches;
  for (int64_t i = 0; i < 5; ++i) batches.push_back(texts.pack(*model, DataSplit::train, {i}, {}));
  Probed out{{probe_loss(*model, texts, batches)(true)}, texts.computed};
  for (const double g : model->arena().grads().to_vector<double>()) out.numbers.push_back(g);
  return out;
}

}  // namespace

TEST_CASE("probes: processes deal the batches among them, and each has the sums") {
  const Probed alone = probe(nullptr);
  CHECK(alone.computed == 5);
  for (const int world : {2, 3}) {
    CAPTURE(world);
    std::vector<Probed> all(static_cast<size_t>(world));
    must_run(world, [&](dist::Communicator& ranks) { all[static_cast<size_t>(ranks.rank().index)] = probe(&ranks); });
    for (size_t r = 0; r < all.size(); ++r) {
      CHECK(all[r].computed == (4 - static_cast<int64_t>(r)) / world + 1);
      CHECK(all[r].numbers == all[0].numbers);
      CHECK(max_abs_diff(all[r].numbers, alone.numbers) <= 1e-12);
    }
  }
}

TEST_CASE("a base in parts: the bits of a whole one, of every type, in 2, 3 and 4 processes") {
  const Texts texts(small_llama(5), {9, 4, 7, 12, 5});
  const std::string v = "model.layers.1.self_attn.v_proj.weight";
  for (const Base& base : {Base{"f32"}, Base{"recomputed", {}, {}, {}, true}, Base{"bf16", DType::bf16},
                           Base{"nf4", DType::bf16, DType::nf4}, Base{"int8", DType::bf16, DType::int8, {}, true},
                           Base{"in pieces", {}, {}, {{v, DType::q8_0}}}}) {
    const std::string name = base.name;
    CAPTURE(name);
    const auto whole = train_all(2, texts, base, false, "eflat-lora");
    CHECK(train_all(2, texts, base, true, "eflat-lora") == whole);
    CHECK(whole[0] == whole[1]);
  }
  for (const int world : {3, 4}) {
    CAPTURE(world);
    const Base base{"bf16", DType::bf16};
    CHECK(train_all(world, texts, base, true, "flat-lora") == train_all(world, texts, base, false, "flat-lora"));
  }
  // On a device without NCCL blocks go by way of the host.
  const Base base{"f32"};
  CHECK(train_all(2, texts, base, true, "lora", true) == train_all(2, texts, base, false, "lora", true));
  Gpt2Config gpt2;
  gpt2.vocab_size = 50;
  gpt2.hidden_size = 32;
  gpt2.num_hidden_layers = 1;
  gpt2.num_attention_heads = gpt2.num_key_value_heads = 2;
  gpt2.head_dim = 16;
  const Texts others(gpt2, {9, 4, 7, 12, 5});
  CHECK(train_all(2, others, base, true, "lora") == train_all(2, others, base, false, "lora"));
}

TEST_CASE("a base in parts: what a process holds, and who asks for the whole") {
  Context context({}, 1);
  const std::unique_ptr<nn::Model> model = small_llama(40).new_model();
  model->shard(4, 1);
  model->materialise(context, DType::f32);
  const nn::Shards& shards = *model->parameters().shards();
  CHECK(shards.blocks() == 40);
  size_t whole = 0, rest = 0;
  for (const auto& p : model->parameters().all()) {
    whole += sizeof(float) * static_cast<size_t>(numel_of(p->shape));
    rest += p->frozen_bytes();
    CHECK(p->sharded == (p->block >= 0 && p->shape.size() == 2));
  }
  const auto part = static_cast<double>(shards.held_bytes() + rest) / static_cast<double>(whole);
  CHECK(part > 0.25);
  CHECK(part < 0.35);
  CHECK_THROWS_WITH_AS(model->parameters().find("model.layers.3.mlp.up_proj.weight"),
                       doctest::Contains("is held in parts by several processes"), Error);
  CHECK_THROWS_AS(model->parameters().named(), Error);
  CHECK_THROWS_WITH_AS(
      model->parameters().initialise(1, 1, [](const std::string& n) { return n.find("layers.3.") != n.npos; }),
      "of a base held in parts all matrices are drawn anew, or none", Error);
  const auto alone = dist::alone();
  CHECK_THROWS_AS(model->gather_with(alone.get()), Error);
}

TEST_CASE("a base in parts: Llama-3.1-70B in bf16, rank 16, fits eight GPUs of 80 GB and not one") {
  LlamaConfig c;
  c.vocab_size = 128256;
  c.hidden_size = 8192;
  c.intermediate_size = 28672;
  c.num_hidden_layers = 80;
  c.num_attention_heads = 64;
  c.num_key_value_heads = 8;
  c.head_dim = 128;
  c.max_position_embeddings = 131072;
  const Texts texts(c, std::vector<int32_t>(8, 4096));
  AcceleratorInfo info;
  info.name = "80 GB";
  info.sm = 90;
  info.total_bytes = size_t{80} * 1000 * 1000 * 1000;
  info.has_bf16 = true;
  Context context(1, make_meta_device(info, nullptr));
  TrainingSettings training;
  training.max_steps = 1;
  const SystemSettings system;
  const auto new_model = [&] {
    std::unique_ptr<nn::Model> model = c.new_model();
    nn::LoraConfig lora;
    lora.rank = 16;
    lora.alpha = 16;
    lora.targets = [](const std::string&) { return true; };
    model->attach_lora(lora);
    return model;
  };
  const PlannedRun run{.new_model = new_model,
                       .objective = texts,
                       .how = default_settings("lora"),
                       .training = training,
                       .system = system,
                       .narrow_weights = true};
  BatchSettings batch;
  batch.batch_size = 8;
  batch.recompute = "block";
  batch.rank.world = 8;
  CHECK(plan_memory(run, batch, context, info.total_bytes).peak() > info.total_bytes);
  batch.shard_base = true;
  const MemoryPlan plan = plan_memory(run, batch, context, info.total_bytes);
  CHECK(plan.peak() < info.total_bytes);
  const double block = 2.0 * (8192.0 * (8192 + 2 * 1024) + 8192.0 * 8192 + 3 * 8192.0 * 28672);
  CHECK(static_cast<double>(plan.gathered) == doctest::Approx(80 * block).epsilon(1e-3));
  // An eighth of the blocks, two of them whole, and the table and the head.
  const double weights = 80 * block / 8 + 2 * block + 2 * 2.0 * 128256 * 8192;
  CHECK(static_cast<double>(plan.weights) == doctest::Approx(weights).epsilon(1e-2));
  const Cluster cluster{.world = 8, .interconnect = "nvlink", .tflops = 400};
  const StepCost cost = step_cost(run, batch, plan, cluster);
  // Forward and backward, seven eighths of 137 GB: 240 GB at 350 GB/s.
  CHECK(cost.gathered == doctest::Approx(2 * 7.0 / 8 * 80 * block).epsilon(1e-3));
  CHECK(cost.gather_s == doctest::Approx(0.685).epsilon(0.01));
  CHECK(cost.overlap() == 1);
  CHECK(step_cost(run, batch, plan, {.world = 8, .interconnect = "pcie", .tflops = 400}).overlap() < 0.6);
}

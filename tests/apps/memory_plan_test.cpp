// What memory_plan predicts against what real steps then hold.
#include "apps/common/memory_plan.h"

#include <doctest/doctest.h>

#include "apps/bench/bench_step.h"
#include "apps/common/training_run.h"
#include "engine/error.h"
#include "models/llama/llama.h"
#include "models/roberta/roberta.h"

using namespace lowland;
using namespace lowland::apps;

namespace {

Settings settings_of(const std::string& method, const std::string& recompute) {
  Settings s;
  s.method = method;
  s.recompute = recompute;
  s.targets = "all-linear";
  s.batch_size = 4;
  return s;
}

void choose_trained(nn::Model& model, const Settings& s) {
  model.set_recompute(s.recompute == "block");
  if (s.method == "full") return model.train([](const std::string&) { return true; });
  nn::LoraConfig lora;
  lora.rank = s.rank;
  lora.dropout = s.lora_dropout;
  lora.targets = [](const std::string& m) { return m.find("classifier") == std::string::npos; };
  model.attach_lora(lora);
}

// Sequences of different lengths; the last half of each is selected, or its first row only.
std::vector<nn::Segment> segments_of(const Settings& s, int64_t length, bool half, std::vector<int32_t>& targets) {
  std::vector<nn::Segment> segments;
  for (int64_t i = 0; i < s.batch_size; ++i) {
    nn::Segment segment{std::vector<int32_t>(static_cast<size_t>(length - i), 3), i, {}};
    for (int64_t p = half ? length / 2 : 0; p < (half ? length - i : 1); ++p)
      segment.select.push_back(static_cast<int32_t>(p));
    targets.insert(targets.end(), segment.select.size(), 1);
    segments.push_back(std::move(segment));
  }
  return segments;
}

PlanInput llama_input(const LlamaConfig& config, int64_t length) {
  PlanInput in;
  in.make = [config, length](const Settings& s) {
    auto model = std::make_unique<Llama>(config);
    choose_trained(*model, s);
    if (s.weights_dtype == "bf16") model->set_frozen_dtype(DType::bf16);
    const auto loss = [m = model.get()](const PackedBatch& b, const nn::Mode& mode, double scale) {
      LinearCrossEntropyOptions o;
      o.scale = scale;
      return m->loss(m->decode(m->embed(b.rows.ids), b.rows, mode), b.targets, o);  // (1)
    };
    const auto step = [m = model.get(), s, length] {
      std::vector<int32_t> targets;
      const auto segments = segments_of(s, length, true, targets);
      return std::vector<PackedBatch>{pack_batch(m->context(), segments, targets)};
    };
    return PlannedModel{std::move(model), loss, step};
  };
  in.head_dim = config.head_dim;
  in.narrow_weights = true;
  return in;
}

PlanInput roberta_input(const RobertaConfig& config, int64_t length) {
  PlanInput in;
  in.make = [config, length](const Settings& s) {
    auto model = std::make_unique<Roberta>(config, RobertaHead::classification);
    choose_trained(*model, s);
    model->train([](const std::string& n) { return n.rfind("classifier.", 0) == 0; });
    const auto loss = [m = model.get()](const PackedBatch& b, const nn::Mode& mode, double scale) {
      CrossEntropyOptions o;
      o.scale = scale;
      return ops::cross_entropy(m->forward(b.rows, mode), b.targets, o);  // (1)
    };
    const auto step = [m = model.get(), s, length] {
      std::vector<int32_t> targets;
      const auto segments = segments_of(s, length, false, targets);
      return std::vector<PackedBatch>{pack_batch(m->context(), segments, targets)};
    };
    return PlannedModel{std::move(model), loss, step};
  };
  in.head_dim = config.hidden_size / config.num_attention_heads;
  return in;
}

LlamaConfig tiny_llama() {
  LlamaConfig c;
  c.vocab_size = 300;
  c.hidden_size = 32;
  c.intermediate_size = 72;
  c.num_hidden_layers = 3;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 8;
  return c;
}

RobertaConfig tiny_roberta() {
  RobertaConfig c;
  c.vocab_size = 300;
  c.hidden_size = 48;
  c.num_hidden_layers = 3;
  c.num_attention_heads = 4;
  c.intermediate_size = 96;
  c.max_position_embeddings = 160;
  c.num_labels = 3;
  return c;
}

// Peak of three real steps.
size_t measured(const PlanInput& input, const Settings& s) {
  Context context({}, 2);
  const PlannedModel m = input.make(s);
  m.model->materialise(context, DType::f32);
  m.model->parameters().initialise(1, 0.02, [](const std::string&) { return true; });
  m.model->initialise_adapters(1);
  const auto method = optim::make_method(s.method, m.model->arena(), method_options(s));
  StepPasses passes(*m.model, *method, m.loss, false);
  for (int64_t i = 0; i < 3; ++i) bench_step(*m.model, *method, s, passes, m.largest_step()[0], i);
  return context.memory().peak_bytes();
}

void check_prediction(const std::string& name, const PlanInput& input, Settings s) {
  const auto real = static_cast<double>(measured(input, s));
  Context context({}, 2);
  const MemoryPlan plan = plan_memory(input, s, context, size_t{1} << 40);
  INFO(name, " ", s.method, " ", s.recompute, ": predicted ", plan.peak(), ", measured ", real, "\n",
       memory_table(plan, 0));
  const double ratio = static_cast<double>(plan.peak()) / real;
  CHECK(ratio > 0.98);
  CHECK(ratio < 1.02);
}

}  // namespace

TEST_CASE("memory plan: the peak of real steps") {
  for (const char* recompute : {"none", "block"})
    for (const char* method : {"lora", "eflat-lora", "lora-sam", "full"}) {
      const Settings s = settings_of(method, recompute);
      check_prediction("tiny llama", llama_input(tiny_llama(), 40), s);
      check_prediction("tiny roberta", roberta_input(tiny_roberta(), 40), s);
    }
}

TEST_CASE("memory plan: larger models, other settings") {
  Settings narrow = settings_of("lora", "none");
  narrow.weights_dtype = "bf16";
  check_prediction("tiny llama, bf16 weights", llama_input(tiny_llama(), 40), narrow);
  LlamaConfig mid = tiny_llama();
  mid.vocab_size = 8000;
  mid.hidden_size = 256;
  mid.intermediate_size = 700;
  mid.num_hidden_layers = 6;
  mid.head_dim = 64;
  Settings s = settings_of("eflat-lora", "none");
  check_prediction("mid llama", llama_input(mid, 150), s);
  s.recompute = "block";
  check_prediction("mid llama", llama_input(mid, 150), s);
  s.weights_dtype = "bf16";
  s.lora_dropout = 0.1;
  check_prediction("mid llama, bf16 weights, dropout", llama_input(mid, 150), s);
  mid.tie_word_embeddings = true;
  check_prediction("mid llama, tied", llama_input(mid, 20), settings_of("lora", "none"));
  RobertaConfig base = tiny_roberta();
  base.vocab_size = 5000;
  base.hidden_size = 192;
  base.intermediate_size = 768;
  base.num_hidden_layers = 6;
  for (const char* recompute : {"none", "block"})
    check_prediction("mid roberta", roberta_input(base, 128), settings_of("lora", recompute));
}

TEST_CASE("memory plan: auto recomputes only where it must, and a step that does not fit names what would") {
  const PlanInput input = llama_input(tiny_llama(), 100);
  Context context({}, 2);
  Settings none = settings_of("lora", "none"), block = settings_of("lora", "block");
  const size_t large = plan_memory(input, none, context, 0).peak();
  const size_t small = plan_memory(input, block, context, 0).peak();
  REQUIRE(small < large);
  Settings open = settings_of("lora", "auto");
  CHECK(fit_memory(input, open, context, 2 * large).peak() == large);
  CHECK(open.recompute == "none");
  open.recompute = "auto";
  CHECK(fit_memory(input, open, context, small).peak() == small);
  CHECK(open.recompute == "block");

  const auto refusal = [&](size_t free_bytes) {
    Settings s = settings_of("lora", "none");
    try {
      fit_memory(input, s, context, free_bytes);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("it fits");
  };
  CHECK(refusal(large) == "it fits");
  CHECK(refusal(small).find("with --recompute block it needs") != std::string::npos);
  CHECK(refusal(1000).find("a smaller model, or a machine with more memory") != std::string::npos);
  const std::string fewer = refusal(small - small / 8);
  INFO(fewer);
  CHECK(fewer.find("--batch-size 2 --grad-accum 2") != std::string::npos);
}

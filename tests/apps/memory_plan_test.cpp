// What memory_plan predicts against what real steps then hold.
#include "apps/train/memory_plan.h"

#include <doctest/doctest.h>

#include "apps/train/loader.h"
#include "apps/train/run.h"
#include "apps/train/step.h"
#include "engine/error.h"
#include "kernels/common/environment.h"
#include "models/gpt2/gpt2.h"
#include "models/llama/llama.h"
#include "models/roberta/roberta.h"

using namespace lowland;
using namespace lowland::apps;

namespace {

struct Settings {
  MethodSettings how;
  BatchSettings batch;
  double lora_dropout = 0;
  SystemSettings system;
};

Settings settings_of(const std::string& method, const std::string& recompute) {
  Settings s;
  s.how = default_settings(method);
  s.batch.batch_size = 4;
  s.batch.recompute = recompute;
  return s;
}

// One step of sequences of different lengths, all examples; the last half of each is selected, or its first row only.
class Sequences : public Objective {
 public:
  Sequences(int64_t length, bool half) : half_(half) {
    for (int64_t i = 0; i < 4; ++i) lengths_.push_back(static_cast<int32_t>(length - i));
  }
  const std::vector<int32_t>& lengths(DataSplit) const override { return lengths_; }
  PackedBatch pack(const nn::Model& model, DataSplit, const std::vector<int64_t>& which, const Place&) const override {
    std::vector<nn::Segment> segments;
    std::vector<int32_t> targets;
    for (const int64_t i : which) {
      const int32_t length = lengths_[i];
      nn::Segment segment{std::vector<int32_t>(length, 3), i, {}};
      for (int32_t p = half_ ? lengths_[0] / 2 : 0; p < (half_ ? length : 1); ++p) segment.select.push_back(p);
      targets.insert(targets.end(), segment.select.size(), 1);
      segments.push_back(std::move(segment));
    }
    return pack_batch(model.context(), segments, targets);
  }
  Evaluation evaluate(const nn::Model&, DataSplit, const BatchSettings&) const override { return {}; }
  virtual std::unique_ptr<nn::Model> make(const Settings& s) const = 0;

 private:
  std::vector<int32_t> lengths_;
  bool half_;
};

void choose_trained(nn::Model& model, const Settings& s) {
  if (s.how.full()) return model.train([](const std::string&) { return true; });
  nn::LoraConfig lora;
  lora.rank = 8;
  lora.alpha = 16;
  lora.dropout = s.lora_dropout;
  lora.targets = [](const std::string& m) { return m.find("classifier") == std::string::npos; };
  model.attach_lora(lora);
}

class DecoderSteps final : public Sequences {
 public:
  DecoderSteps(const DecoderConfig& config, int64_t length) : Sequences(length, true), config_(config.copy()) {}
  std::unique_ptr<nn::Model> make(const Settings& s) const override {
    std::unique_ptr<nn::Model> model = config_->new_model();
    choose_trained(*model, s);
    return model;
  }
  Tensor loss(const nn::Model& model, const PackedBatch& b, const nn::Mode& mode, double scale) const override {
    LinearCrossEntropyOptions o;
    o.scale = scale;
    const auto& m = static_cast<const Decoder&>(model);
    return m.loss(m.decode(m.embed(b.rows.ids), b.rows, mode), b.targets, o);  // (1)
  }
  int64_t head_dim(const nn::Model&) const override { return config_->head_dim; }

 private:
  std::unique_ptr<DecoderConfig> config_;
};

class RobertaSteps final : public Sequences {
 public:
  RobertaSteps(RobertaConfig config, int64_t length) : Sequences(length, false), config_(std::move(config)) {}
  std::unique_ptr<nn::Model> make(const Settings& s) const override {
    auto model = std::make_unique<Roberta>(config_, RobertaHead::classification);
    choose_trained(*model, s);
    model->train([](const std::string& n) { return n.starts_with("classifier."); });
    return model;
  }
  Tensor loss(const nn::Model& model, const PackedBatch& b, const nn::Mode& mode, double scale) const override {
    CrossEntropyOptions o;
    o.scale = scale;
    return ops::cross_entropy(static_cast<const Roberta&>(model).forward(b.rows, mode), b.targets, o);  // (1)
  }
  int64_t head_dim(const nn::Model&) const override { return config_.hidden_size / config_.num_attention_heads; }

 private:
  RobertaConfig config_;
};

const TrainingSettings kTraining = [] {
  TrainingSettings t;
  t.lr = 1e-3;
  t.max_steps = 3;
  return t;
}();

PlannedRun planned(const Sequences& work, const Settings& s) {
  return {.new_model = [&work, s] { return work.make(s); },
          .objective = work,
          .how = s.how,
          .training = kTraining,
          .system = s.system,
          .lora_dropout = s.lora_dropout,
          .narrow_weights = dynamic_cast<const DecoderSteps*>(&work) != nullptr};
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
size_t measured(const Sequences& work, const Settings& s) {
  Context context({}, 2);
  const std::unique_ptr<nn::Model> model = work.make(s);
  prepare(*model, planned(work, s), s.batch, context);
  model->materialise(context, s.system.compute_dtype(context));
  model->parameters().initialise(1, 0.02, [](const std::string&) { return true; });
  model->initialise_adapters(1);
  const auto method = optim::make_method(s.how.name, model->arena(), kTraining.method_options(s.how));
  const auto loss = [&](const PackedBatch& b, const nn::Mode& m, double scale) {
    return work.loss(*model, b, m, scale);
  };
  TrainingStep step(*model, *method, loss, false);
  Loader loader(work, *model, s.batch, 1);
  for (int64_t i = 0; i < 3; ++i) step.run(loader.step(i), {.index = i, .lr = 1e-3, .rho = 0.05, .seed = 1});
  return context.memory().peak_bytes();
}

void check_prediction(const std::string& name, const Sequences& work, Settings s) {
  const auto real = static_cast<double>(measured(work, s));
  Context context({}, 2);
  const MemoryPlan plan = plan_memory(planned(work, s), s.batch, context, size_t{1} << 40);
  INFO(name, " ", s.how.name, " ", s.batch.recompute, ": predicted ", plan.peak(), ", measured ", real, "\n",
       memory_table(plan, 0));
  const double ratio = static_cast<double>(plan.peak()) / real;
  CHECK(ratio > 0.98);
  CHECK(ratio < 1.02);
}

}  // namespace

TEST_CASE("memory plan: the peak of real steps") {
  for (const char* recompute : {"none", "block"})
    for (const char* method : {"lora", "eflat-lora", "lora-sam", "bi-lora", "flat-lora-random", "lora-mgpo", "full"}) {
      const Settings s = settings_of(method, recompute);
      check_prediction("tiny llama", DecoderSteps(tiny_llama(), 40), s);
      for (const char* type : {"roberta", "bert", "distilbert"}) {
        RobertaConfig encoder = tiny_roberta();
        encoder.model_type = type;
        check_prediction(std::string("tiny ") + type, RobertaSteps(encoder, 40), s);
      }
    }
}

TEST_CASE("memory plan: decoders of every kind") {
  for (const char* type : {"qwen3", "phi3", "gemma2", "gemma3_text"}) {
    LlamaConfig c = tiny_llama();
    c.model_type = type;
    if (c.kind().gelu) c.tie_word_embeddings = true;
    if (c.kind().gelu) c.query_pre_attn_scalar = c.final_logit_softcapping = 30;
    if (c.model_type == "gemma2") c.attn_logit_softcapping = 50;
    for (const char* method : {"lora", "full"})
      for (const char* recompute : {"none", "block"})
        check_prediction(std::string("tiny ") + type, DecoderSteps(c, 40), settings_of(method, recompute));
  }
  Gpt2Config gpt2;
  gpt2.vocab_size = 300;
  gpt2.hidden_size = 32;
  gpt2.num_hidden_layers = 3;
  gpt2.num_attention_heads = gpt2.num_key_value_heads = 4;
  gpt2.head_dim = 8;
  for (const double dropout : {0.0, 0.1}) {
    gpt2.resid_pdrop = gpt2.embd_pdrop = gpt2.attn_pdrop = dropout;
    for (const char* method : {"lora", "eflat-lora", "flat-lora", "full"})
      for (const char* recompute : {"none", "block"})
        check_prediction("tiny gpt2", DecoderSteps(gpt2, 40), settings_of(method, recompute));
  }
}

TEST_CASE("memory plan: larger models, other settings") {
  Settings narrow = settings_of("lora", "none");
  narrow.batch.weights_dtype = "bf16";
  check_prediction("tiny llama, bf16 weights", DecoderSteps(tiny_llama(), 40), narrow);
  LlamaConfig mid = tiny_llama();
  mid.vocab_size = 8000;
  mid.hidden_size = 256;
  mid.intermediate_size = 700;
  mid.num_hidden_layers = 6;
  mid.head_dim = 64;
  Settings s = settings_of("eflat-lora", "none");
  check_prediction("mid llama", DecoderSteps(mid, 150), s);
  s.batch.recompute = "block";
  check_prediction("mid llama", DecoderSteps(mid, 150), s);
  s.batch.weights_dtype = "bf16";
  s.lora_dropout = 0.1;
  check_prediction("mid llama, bf16 weights, dropout", DecoderSteps(mid, 150), s);
  mid.tie_word_embeddings = true;
  check_prediction("mid llama, tied", DecoderSteps(mid, 20), settings_of("lora", "none"));
  RobertaConfig base = tiny_roberta();
  base.vocab_size = 5000;
  base.hidden_size = 192;
  base.intermediate_size = 768;
  base.num_hidden_layers = 6;
  for (const char* recompute : {"none", "block"})
    check_prediction("mid roberta", RobertaSteps(base, 128), settings_of("lora", recompute));
}

TEST_CASE("memory plan: in bf16 on the CPU, with weights in bf16 and quantised") {
  environment::kCpuBf16.set("1");
  LlamaConfig mid = tiny_llama();
  mid.vocab_size = 4000;
  mid.hidden_size = 256;
  mid.intermediate_size = 704;
  mid.head_dim = 64;
  for (const char* method : {"lora", "eflat-lora", "full"})
    for (const char* weights : {"auto", "nf4"}) {
      Settings s = settings_of(method, "none");
      if (s.how.full() && weights != std::string("auto")) continue;
      s.system.dtype = "bf16";
      s.batch.weights_dtype = weights;
      s.lora_dropout = s.how.full() ? 0 : 0.1;
      check_prediction(std::string("mid llama in bf16, weights ") + weights, DecoderSteps(mid, 150), s);
      check_prediction("tiny roberta in bf16", RobertaSteps(tiny_roberta(), 40), s);
    }
  environment::kCpuBf16.set("");
}

TEST_CASE("memory plan: auto recomputes only where it must, and a step that does not fit names what would") {
  const DecoderSteps work(tiny_llama(), 100);
  Context context({}, 2);
  Settings none = settings_of("lora", "none"), block = settings_of("lora", "block");
  const size_t large = plan_memory(planned(work, none), none.batch, context, 0).peak();
  const size_t small = plan_memory(planned(work, block), block.batch, context, 0).peak();
  REQUIRE(small < large);
  Settings open = settings_of("lora", "auto");
  CHECK(fit_memory(planned(work, open), open.batch, context, 2 * large).peak() == large);
  CHECK(open.batch.recompute == "none");
  open.batch.recompute = "auto";
  CHECK(fit_memory(planned(work, open), open.batch, context, small).peak() == small);
  CHECK(open.batch.recompute == "block");

  const auto refusal = [&](size_t free_bytes) {
    Settings s = settings_of("lora", "none");
    try {
      fit_memory(planned(work, s), s.batch, context, free_bytes);
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

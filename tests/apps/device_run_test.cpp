// The training loop of both apps on a device: the emulated one (tests/emulator.h), or a GPU where LL_TEST_DEVICE=cuda.
// Steps are captured and replayed, runs evaluate, write checkpoints and resume; with graphs or without, and resumed or
// not, every byte is the same, and the CPU gives the same losses.
#include <doctest/doctest.h>

#include "apps/data/dataset.h"
#include "apps/objectives/classification.h"
#include "apps/objectives/language.h"
#include "apps/train/run.h"
#include "engine/error.h"
#include "engine/io/safetensors_writer.h"
#include "models/llama/llama.h"
#include "models/roberta/load_weights.h"
#include "tests/apps/program.h"
#include "tests/emulator.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::apps;
using namespace lowland::test;

namespace {

std::unique_ptr<Context> a_device() {
  return test_device() == "cuda" ? make_test_context(2) : std::make_unique<Context>(2, make_emulator(2));
}

nn::LoraConfig adapter_on(const std::string& first, const std::string& second) {
  nn::LoraConfig lora;
  lora.rank = 4;
  lora.dropout = 0.1;
  lora.targets = [=](const std::string& m) { return m.find(first) != m.npos || m.find(second) != m.npos; };
  return lora;
}

// What a run needs, and keeps.
struct Job {
  virtual ~Job() = default;
  virtual nn::Model& model() = 0;
  virtual const Objective& objective() const = 0;
};

// The settings of a run, one struct a concern.
struct RunSettings {
  MethodSettings how;
  TrainingSettings training;
  BatchSettings batch;
  SystemSettings system;
  OutputSettings output;
};

struct Classifier final : Job {
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(tiny_task() / "pretrained/model");
  TextDataset data = load_task(task_info("sst2"), tiny_task() / "data", {});
  Roberta roberta{config(), RobertaHead::classification};
  Classification work{*tokenizer, data, 512, 0};

  static RobertaConfig config() {
    RobertaConfig c = RobertaConfig::from_folder(tiny_task() / "pretrained/model");
    c.set_labels(task_info("sst2").labels);
    return c;
  }
  Classifier(Context& context, const RunSettings&) {
    roberta.attach_lora(adapter_on("query", "value"));
    roberta.train([](const std::string& n) { return n.starts_with("classifier."); });
    roberta.materialise(context, DType::f32);
    load_weights(roberta, tiny_task() / "pretrained/model", 7);
  }
  nn::Model& model() override { return roberta; }
  const Objective& objective() const override { return work; }
};

struct Language final : Job {
  Llama llama{config()};
  LanguageModelling work{{examples(1, 90), examples(1000, 20), {}}, 0};

  static LlamaConfig config() {
    LlamaConfig c;
    c.vocab_size = 61;
    c.hidden_size = 32;
    c.intermediate_size = 48;
    c.num_hidden_layers = 2;
    c.num_attention_heads = 4;
    c.num_key_value_heads = 2;
    c.head_dim = 8;
    c.max_position_embeddings = 64;
    return c;
  }
  static LanguageSplit examples(uint64_t seed, int64_t count) {
    LanguageSplit split;
    for (int64_t i = 0; i < count; ++i) {
      LanguageExample e;
      const uint64_t r = mix64(seed + i);
      for (uint64_t p = 0; p < 4 + r % 30; ++p) {
        e.ids.push_back(static_cast<int32_t>((r / 64 + p * (1 + r % 3)) % 61));
        e.learn.push_back(p > r % 4 ? 1 : 0);
      }
      split.add(std::move(e));
    }
    return split;
  }
  Language(Context& context, const RunSettings& settings) {
    llama.attach_lora(adapter_on("q_proj", "down_proj"));
    llama.set_recompute(settings.batch.recompute == "block");
    llama.materialise(context, DType::f32);
    llama.parameters().initialise(3, 0.2, [](const std::string&) { return true; });
    llama.initialise_adapters(3);
  }
  nn::Model& model() override { return llama; }
  const Objective& objective() const override { return work; }
};

RunSettings settings_of(const std::string& method, const std::string& out, bool graphs) {
  RunSettings s;
  s.how = default_settings(method);
  s.output.out = out;
  s.system.no_graphs = !graphs;
  s.system.seed = 7;
  s.training.lr = 5e-3;
  s.training.epochs = 3;
  s.training.eval_steps = 6;
  s.training.save_steps = 5;
  s.training.logging_steps = 3;
  s.batch.batch_size = 8;
  s.batch.grad_accum = 2;
  return s;
}

// One run of the training loop. stop_after: ends as if it were killed once so many results have been written.
template <class App> void run(Context& context, const RunSettings& s, int stop_after = -1) {
  App app(context, s);
  const auto method = optim::make_method(s.how.name, app.model().arena(), s.training.method_options(s.how));
  RunFolder folder(s.output, {});
  folder.begin(nlohmann::json::object());
  int written = 0;
  const Training training{
      .model = app.model(),
      .method = *method,
      .objective = app.objective(),
      .settings = s.training,
      .batch = s.batch,
      .system = s.system,
      .write_result =
          [&](const std::filesystem::path& into) {
            if (written++ == stop_after) fail("killed");
            save_safetensors((into / "arena.safetensors").string(), {{"arena", app.model().arena().values()}});
          },
      .result = "adapter"};
  if (stop_after < 0) {
    train(training, folder);
  } else {
    CHECK_THROWS_WITH_AS(train(training, folder), "killed", Error);
  }
}

void check_same(const std::string& a, const std::string& b) {
  CHECK(read_metrics(a) == read_metrics(b));
  for (const char* file : {"/adapter/arena.safetensors", "/adapter-best/arena.safetensors"}) {
    const std::string bytes = read_text(a + file);
    CHECK(!bytes.empty());
    CHECK(bytes == read_text(b + file));
  }
}

// The logged losses and scores, in order.
std::vector<double> numbers(const std::string& run) {
  std::vector<double> out;
  for (const nlohmann::json& line : read_metrics(run))
    for (const auto& [name, value] : line.items())
      if (name.find("loss") != name.npos) out.push_back(value.get<double>());
  return out;
}

template <class App> void check_app(const std::string& method, const std::string& recompute) {
  CAPTURE(method);
  const TestFolder w;
  const auto go = [&](const std::string& out, Context& context, bool graphs, int stop_after = -1, bool resume = false) {
    RunSettings s = settings_of(method, w / out, graphs);
    s.batch.recompute = recompute;
    s.output.resume = resume;
    run<App>(context, s, stop_after);
  };
  Context host({}, 2);
  go("graphs", *a_device(), true);
  go("launches", *a_device(), false);
  go("cpu", host, false);
  check_same(w / "graphs", w / "launches");
  const std::vector<double> device = numbers(w / "graphs"), cpu = numbers(w / "cpu");
  REQUIRE(device.size() == cpu.size());
  REQUIRE(device.size() >= 8);
  for (size_t i = 0; i < cpu.size(); ++i) CHECK(device[i] == doctest::Approx(cpu[i]).epsilon(1e-3));
  go("resumed", *a_device(), true, 3);
  go("resumed", *a_device(), true, -1, true);
  check_same(w / "graphs", w / "resumed");
}

}  // namespace

TEST_CASE("a run of lowland-roberta's loop on a device: graphs, none, resumed, and the CPU's losses") {
  for (const char* method : {"eflat-lora", "lora-sam"}) check_app<Classifier>(method, "none");
}

TEST_CASE("a run of lowland-llama's loop on a device: graphs, none, resumed, and the CPU's losses") {
  check_app<Language>("eflat-lora", "none");
  check_app<Language>("flat-lora", "block");
}

#include "apps/bench/bench.h"

#include <cstdio>
#include <memory>

#include "apps/bench/bench_step.h"
#include "apps/common/flags.h"
#include "apps/common/training_run.h"
#include "apps/llama/language_workload.h"
#include "apps/llama/session.h"
#include "apps/llama/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

struct BenchFlags {
  std::string preset = "llama-110m", methods = "lora,eflat-lora";
  int64_t batch = 4, length = 256, steps = 30, warmup = 10;
  double target_share = 0.5;
  bool json = false, by_op = false;
};

LlamaConfig preset_config(const std::string& preset) {
  struct Preset {
    const char* name;
    int64_t hidden, ffn, layers, heads, kv_heads, vocab;
    bool tied;
  };
  // Shapes of published models; llama-110m is llama2.c's stories110M.
  constexpr Preset kPresets[] = {{"llama-110m", 768, 2048, 12, 12, 12, 32000, true},
                                 {"llama-3.2-1b", 2048, 8192, 16, 32, 8, 128256, true},
                                 {"llama-3.2-3b", 3072, 8192, 28, 24, 8, 128256, true},
                                 {"llama-3.1-8b", 4096, 14336, 32, 32, 8, 128256, false},
                                 {"llama-2-7b", 4096, 11008, 32, 32, 32, 32000, false}};
  std::string names;
  for (const Preset& p : kPresets) {
    names += names.empty() ? p.name : std::string(", ") + p.name;
    if (preset != p.name) continue;
    LlamaConfig c;
    c.hidden_size = p.hidden;
    c.intermediate_size = p.ffn;
    c.num_hidden_layers = p.layers;
    c.num_attention_heads = p.heads;
    c.num_key_value_heads = p.kv_heads;
    c.head_dim = p.hidden / p.heads;
    c.vocab_size = p.vocab;
    c.tie_word_embeddings = p.tied;
    c.max_position_embeddings = 131072;
    return c;
  }
  fail("--preset must be one of {}, got {}", names, preset);
}

// Random tokens; of each sequence the last `share` are targets.
LanguageSplit random_examples(const BenchFlags& f, int64_t vocab, int64_t step) {
  LanguageSplit split;
  for (int64_t i = 0; i < f.batch; ++i) {
    LanguageExample e;
    for (int64_t p = 0; p <= f.length; ++p) {
      const uint64_t draw = mix64(static_cast<uint64_t>(step * 1000003 + p) ^ (static_cast<uint64_t>(i) << 40));
      e.ids.push_back(static_cast<int32_t>(draw % static_cast<uint64_t>(vocab)));
      const double from = (1 - f.target_share) * static_cast<double>(f.length);
      e.learn.push_back(p > 0 && static_cast<double>(p) > from ? 1 : 0);
    }
    split.examples.push_back(std::move(e));
  }
  return split;
}

// One method with a model, an optimizer and a memory of its own.
struct Subject {
  Settings settings;
  BenchFlags flags;
  std::unique_ptr<Context> context;
  std::unique_ptr<Llama> model;
  std::unique_ptr<optim::Method> method;

  Subject(const Settings& base, const BenchFlags& f, const std::string& name, const LlamaConfig& config)
      : settings(base), flags(f), context(make_context(base)) {
    settings.method = name;
    model = std::make_unique<Llama>(config);
    if (name == "full") {
      model->train([](const std::string&) { return true; });
    } else {
      model->attach_lora(lora_config(settings, kLlamaTargets));
    }
    model->set_recompute(settings.recompute == "block");
    model->set_frozen_dtype(weights_dtype(settings));
    model->materialise(*context, DType::f32);
    model->parameters().initialise(1, config.initializer_range, [](const std::string&) { return true; });
    model->initialise_adapters(1);
    method = optim::make_method(name, model->arena(), method_options(settings));
  }

  int64_t step(int64_t index) {
    const LanguageSplit split = random_examples(flags, model->config().vocab_size, index);
    std::vector<int64_t> all;
    for (int64_t i = 0; i < flags.batch; ++i) all.push_back(i);
    const PackedBatch batch = pack_examples(*context, split, all, 0);
    const auto loss = [&](const nn::Mode& mode) {
      LinearCrossEntropyOptions options;
      options.scale = 1.0 / static_cast<double>(batch.target_count);
      const Tensor x = model->embed(batch.rows.ids);                                     // (N, C)
      return model->loss(model->decode(x, batch.rows, mode), batch.targets, options);    // (1)
    };
    bench_step(*model, *method, settings, loss, index);
    return batch.rows.N;
  }
};

void check_flags(const BenchFlags& f) {
  LL_CHECK(f.batch >= 1 && f.length >= 1 && f.steps >= 1 && f.warmup >= 0,
           "--batch, --length and --steps must be at least 1, --warmup at least 0");
  LL_CHECK(f.target_share > 0 && f.target_share <= 1, "--target-share must be in (0, 1], got {}", f.target_share);
}

void bench(const Settings& settings, const BenchFlags& flags) {
  check_flags(flags);
  const LlamaConfig config = preset_config(flags.preset);
  const std::vector<std::string> methods = split_list(flags.methods);
  LL_CHECK(!methods.empty(), "--methods is empty");
  std::vector<std::unique_ptr<Subject>> subjects;
  std::vector<BenchSubject> timed;
  for (const std::string& m : methods) {
    subjects.push_back(std::make_unique<Subject>(settings, flags, m, config));
    Subject* s = subjects.back().get();
    timed.push_back({m, s->context.get(), [s](int64_t step) { return s->step(step); }});
  }
  BenchOptions options;
  options.warmup = flags.warmup;
  options.steps = flags.steps;
  options.budget_s = 300;
  options.by_op = flags.by_op;
  const std::vector<BenchResult> results = run_bench(timed, options);
  const auto threads = static_cast<long long>(subjects.front()->context->threads());
  if (!flags.json) {
    std::printf("%s, %lld threads, f32\n%s", flags.preset.c_str(), threads, to_table(results).c_str());
    if (flags.by_op)
      for (const BenchResult& r : results) std::printf("\n%s", by_op_table(r).c_str());
    return;
  }
  for (const BenchResult& r : results) {
    nlohmann::ordered_json o = to_json(r, results.front());
    o["preset"] = flags.preset;
    o["device"] = subjects.front()->context->device().name();
    o["dtype"] = "f32";
    o["weights_dtype"] = name_of(weights_dtype(settings));
    o["threads"] = threads;
    o["process_peak_bytes"] = process_peak_bytes();
    std::printf("%s\n", o.dump().c_str());
  }
}

}  // namespace

void add_bench(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* verb =
      app.add_subcommand("bench", "Time training steps of several methods side by side, on random weights");
  const OptionBinder bind{*verb};
  bind("preset", flags->preset, "llama-110m, llama-3.2-1b, llama-3.2-3b, llama-3.1-8b or llama-2-7b");
  bind("methods", flags->methods, "Comma list: lora, eflat-lora, flat-lora, lora-sam, full");
  bind("batch,batch-size", flags->batch, "Sequences per step");
  bind("length,max-length,max-seq-length", flags->length, "Tokens per sequence");
  bind("target-share", flags->target_share, "Share of the tokens that are targets, the last of each sequence");
  bind("steps", flags->steps, "Timed steps");
  bind("warmup", flags->warmup, "Steps before them");
  bind("json", flags->json, "One JSON object per method");
  bind("by-op", flags->by_op, "Time by op as well");
  bind("recompute", settings->recompute, "none or block");
  bind("weights-dtype", settings->weights_dtype, "Frozen weights in f32 or bf16; auto: as --dtype");
  visit_lora(*settings, bind);
  visit_system(*settings, bind);
  verb->callback([settings, flags] { bench(*settings, *flags); });
}

}  // namespace lowland::apps

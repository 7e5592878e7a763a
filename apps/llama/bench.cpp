#include <memory>

#include "apps/bench/bench_model.h"
#include "apps/common/flags.h"
#include "apps/llama/language_workload.h"
#include "apps/llama/session.h"
#include "apps/llama/verbs.h"
#include "engine/error.h"
#include "models/llama/family.h"

namespace lowland::apps {
namespace {

struct BenchFlags {
  std::string preset = "llama-110m";
  int64_t batch = 4, length = 256;
  double target_share = 0.5;
  BenchVerbFlags verb;
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
      e.ids.push_back(bench_token(step, i, p, vocab));
      const double from = (1 - f.target_share) * static_cast<double>(f.length);
      e.learn.push_back(p > 0 && static_cast<double>(p) > from ? 1 : 0);
    }
    split.examples.push_back(std::move(e));
  }
  return split;
}

using Subject = BenchModel<Llama>;

std::shared_ptr<Subject> make_subject(const Settings& base, const std::string& method, const LlamaConfig& config) {
  const auto choose = [](Llama& model, const Settings& s, const Context& context) {
    if (s.method == "full") {
      model.train([](const std::string&) { return true; });
    } else {
      model.attach_lora(lora_config(adapter_settings(s), llama_family()));
    }
    model.set_frozen_dtype(weights_dtype(s, context));
  };
  const auto loss = [](const Llama& model, const PackedBatch& b, const nn::Mode& mode, double scale) {
    LinearCrossEntropyOptions options;
    options.scale = scale;
    const Tensor x = model.embed(b.rows.ids);                              // (N, C)
    return model.loss(model.decode(x, b.rows, mode), b.targets, options);  // (1)
  };
  return std::make_shared<Subject>(base, method, std::make_unique<Llama>(config), config.initializer_range, choose,
                                   loss);
}

PackedBatch random_batch(const Subject& subject, const BenchFlags& flags, int64_t step) {
  const LanguageSplit split = random_examples(flags, subject.model->config().vocab_size, step);
  std::vector<int64_t> all;
  for (int64_t i = 0; i < flags.batch; ++i) all.push_back(i);
  return pack_examples(*subject.context, split, all, 0);
}

void check_flags(const BenchFlags& f) {
  LL_CHECK(f.batch >= 1 && f.length >= 1, "--batch and --length must be at least 1");
  LL_CHECK(f.target_share > 0 && f.target_share <= 1, "--target-share must be in (0, 1], got {}", f.target_share);
}

void bench(Settings settings, const BenchFlags& flags) {
  check_flags(flags);
  apply(flags.verb, settings);
  const LlamaConfig config = preset_config(flags.preset);
  BenchVerb verb;
  verb.preset = flags.preset;
  verb.more["shape"] = fmt::format("{} x {}", flags.batch, flags.length);
  verb.make = [&](const std::string& method) {
    const auto subject = make_subject(settings, method, config);
    verb.more["weights_dtype"] = name_of(weights_dtype(settings, *subject->context));
    const auto batch = [flags](const Subject& s, int64_t step) { return random_batch(s, flags, step); };
    return bench_method<Llama>(verb, subject, batch);
  };
  run_bench_verb(verb, flags.verb);
}

}  // namespace

void add_bench(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* verb =
      app.add_subcommand("bench", "Time training steps of several methods side by side, on random weights");
  const OptionBinder bind{*verb};
  bind("preset", flags->preset, "llama-110m, llama-3.2-1b, llama-3.2-3b, llama-3.1-8b or llama-2-7b");
  bind("batch,batch-size", flags->batch, "Sequences per step");
  bind("length,max-length,max-seq-length", flags->length, "Tokens per sequence");
  bind("target-share", flags->target_share, "Share of the tokens that are targets, the last of each sequence");
  visit_bench(flags->verb, bind);
  bind("recompute", settings->recompute, "none or block");
  bind("weights-dtype", settings->weights_dtype, "Frozen weights in f32 or bf16; auto: as --dtype");
  visit_lora(*settings, bind);
  visit_system(*settings, bind);
  verb->callback([settings, flags] { bench(*settings, *flags); });
}

}  // namespace lowland::apps

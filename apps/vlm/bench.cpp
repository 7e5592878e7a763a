#include <memory>

#include "apps/bench/bench_step.h"
#include "apps/bench/bench_verb.h"
#include "apps/common/flags.h"
#include "apps/common/training_run.h"
#include "apps/vlm/session.h"
#include "apps/vlm/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

struct BenchFlags {
  std::string preset = "vlm-small";
  int64_t batch = 2, length = 128;
  double target_share = 0.5;
  BenchVerbFlags verb;
};

// Shapes: llava-1.5-7b as published; vlm-small has CLIP ViT-B/32 at 224 pixels and llama2.c's stories110M.
VlmConfig preset_config(const std::string& preset) {
  LL_CHECK(preset == "vlm-small" || preset == "llava-1.5-7b", "--preset must be vlm-small or llava-1.5-7b, got {}",
           preset);
  if (preset == "llava-1.5-7b")
    return VlmConfig::from_json(
        R"({"model_type":"llava","text_config":{"vocab_size":32064,"max_position_embeddings":4096}})", preset);
  return VlmConfig::from_json(
      R"({"model_type":"llava","vision_config":{},"text_config":{"hidden_size":768,"intermediate_size":2048,
          "num_hidden_layers":12,"num_attention_heads":12,"vocab_size":32064,"max_position_embeddings":4096}})",
      preset);
}

// One method with a model, an optimizer and a memory of its own.
struct Subject {
  Settings settings;
  BenchFlags flags;
  std::unique_ptr<Context> context;
  std::unique_ptr<Vlm> model;
  std::unique_ptr<optim::Method> method;
  std::unique_ptr<StepPasses> passes;

  Subject(const Settings& base, const BenchFlags& f, const std::string& name, const VlmConfig& config)
      : settings(base), flags(f), context(make_context(base)) {
    settings.method = name;
    model = std::make_unique<Vlm>(config);
    if (name == "full") {
      const std::string tower = std::string(kVlmTower) + ".";
      model->train([&](const std::string& n) { return n.rfind(tower, 0) != 0; });
    } else {
      model->attach_lora(lora_config(settings, vlm_targets(settings)));
    }
    model->set_recompute(settings.recompute == "block");
    if (settings.weights_dtype == "bf16") model->set_frozen_dtype(DType::bf16);
    model->materialise(*context, compute_dtype(settings, *context));
    model->parameters().initialise(1, config.text.initializer_range, [](const std::string&) { return true; });
    model->initialise_adapters(1);
    method = optim::make_method(name, model->arena(), method_options(settings));
    const auto loss = [m = model.get()](const PackedBatch& b, const nn::Mode& mode, double scale) {
      LinearCrossEntropyOptions options;
      options.scale = scale;
      return m->loss(b.rows, b.images, b.targets, mode, options);  // (1)
    };
    passes = std::make_unique<StepPasses>(*model, *method, loss, !settings.no_graphs);
  }

  // An image and random tokens behind it, of which the last `share` are targets; one pass of the tower.
  PackedBatch batch(int64_t index) const {
    const VlmConfig& c = model->config();
    const int64_t T = c.image_tokens(), H = c.vision.image_size;
    std::vector<nn::Segment> segments;
    std::vector<int32_t> targets;
    const auto draw = [&](int64_t i, int64_t p) {
      const uint64_t bits = mix64(static_cast<uint64_t>(index * 1000003 + p) ^ (static_cast<uint64_t>(i) << 40));
      return static_cast<int32_t>(bits % static_cast<uint64_t>(c.image_token_id));
    };
    for (int64_t i = 0; i < flags.batch; ++i) {
      nn::Segment segment{std::vector<int32_t>(static_cast<size_t>(T), static_cast<int32_t>(c.image_token_id)), i, {}};
      for (int64_t p = 0; p < flags.length; ++p) {
        segment.ids.push_back(draw(i, p));
        if (static_cast<double>(p) < (1 - flags.target_share) * static_cast<double>(flags.length)) continue;
        segment.select.push_back(static_cast<int32_t>(T + p));
        targets.push_back(draw(i, p + 1));
      }
      segments.push_back(std::move(segment));
    }
    PackedBatch b = pack_batch(*context, segments, std::move(targets));
    b.images = place_images(*context, segments, std::vector<int64_t>(static_cast<size_t>(flags.batch), 1), c);
    b.images.images.pixels = Tensor::from<float>(
        *context, {flags.batch, 3, H, H}, std::vector<float>(static_cast<size_t>(flags.batch * 3 * H * H), 0.5f));
    if (model->tower().learns()) return b;
    b.images.features = model->features(b.images.images, nn::Mode::evaluation());
    b.images.images.pixels = {};
    return b;
  }
  int64_t step(int64_t index) { return bench_step(*model, *method, settings, *passes, batch(index), index); }
};

void bench(Settings settings, const BenchFlags& flags) {
  LL_CHECK(flags.batch >= 1 && flags.length >= 1, "--batch and --length must be at least 1");
  LL_CHECK(flags.target_share > 0 && flags.target_share <= 1, "--target-share must be in (0, 1], got {}",
           flags.target_share);
  apply(flags.verb, settings);
  const VlmConfig config = preset_config(flags.preset);
  BenchVerb verb;
  verb.preset = flags.preset;
  verb.more["image_tokens"] = config.image_tokens();
  verb.make = [&](const std::string& method) {
    const auto s = std::make_shared<Subject>(settings, flags, method, config);
    verb.dtype = name_of(s->model->dtype());
    return BenchMethod{s, s->context.get(), [s = s.get()](int64_t step) { return s->step(step); }};
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
  bind("preset", flags->preset, "vlm-small or llava-1.5-7b");
  bind("batch,batch-size", flags->batch, "Samples per step, an image and text each");
  bind("length,max-length,max-seq-length", flags->length, "Tokens of text per sample");
  bind("target-share", flags->target_share, "Share of the text that is targets, the last of each sample");
  visit_bench(flags->verb, bind);
  bind("recompute", settings->recompute, "none or block");
  bind("weights-dtype", settings->weights_dtype, "Frozen weights in f32 or bf16; auto: as --dtype");
  visit_vision_training(*settings, bind);
  visit_lora(*settings, bind);
  visit_system(*settings, bind);
  verb->callback([settings, flags] { bench(*settings, *flags); });
}

}  // namespace lowland::apps

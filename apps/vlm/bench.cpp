#include <memory>

#include "apps/bench/bench_model.h"
#include "apps/common/flags.h"
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

using Subject = BenchModel<Vlm>;

std::shared_ptr<Subject> make_subject(const Settings& base, const std::string& method, const VlmConfig& config) {
  const auto choose = [](Vlm& model, const Settings& s, const Context& context) {
    if (s.method == "full") {
      const std::string tower = std::string(kVlmTower) + ".";
      model.train([&](const std::string& n) { return n.rfind(tower, 0) != 0; });
    } else {
      model.attach_lora(lora_config(adapter_settings(s), family_of(s)));
    }
    model.set_frozen_dtype(weights_dtype(s, context));
  };
  const auto loss = [](const Vlm& model, const PackedBatch& b, const nn::Mode& mode, double scale) {
    LinearCrossEntropyOptions options;
    options.scale = scale;
    return model.loss(b.rows, b.images, b.targets, mode, options);  // (1)
  };
  return std::make_shared<Subject>(base, method, std::make_unique<Vlm>(config), config.text.initializer_range, choose,
                                   loss);
}

// An image and random tokens behind it, of which the last `share` are targets; one pass of the tower.
PackedBatch random_batch(const Subject& subject, const BenchFlags& flags, int64_t step) {
  const Vlm& model = *subject.model;
  const VlmConfig& c = model.config();
  const int64_t T = c.image_tokens(), H = c.vision.image_size;
  std::vector<nn::Segment> segments;
  std::vector<int32_t> targets;
  for (int64_t i = 0; i < flags.batch; ++i) {
    nn::Segment segment{std::vector<int32_t>(static_cast<size_t>(T), static_cast<int32_t>(c.image_token_id)), i, {}};
    for (int64_t p = 0; p < flags.length; ++p) {
      segment.ids.push_back(bench_token(step, i, p, c.image_token_id));
      if (static_cast<double>(p) < (1 - flags.target_share) * static_cast<double>(flags.length)) continue;
      segment.select.push_back(static_cast<int32_t>(T + p));
      targets.push_back(bench_token(step, i, p + 1, c.image_token_id));
    }
    segments.push_back(std::move(segment));
  }
  PackedBatch b = pack_batch(*subject.context, segments, std::move(targets));
  b.images = place_images(*subject.context, segments, std::vector<int64_t>(static_cast<size_t>(flags.batch), 1), c);
  b.images.images.pixels = Tensor::from<float>(*subject.context, {flags.batch, 3, H, H},
                                               std::vector<float>(static_cast<size_t>(flags.batch * 3 * H * H), 0.5f));
  if (model.tower().learns()) return b;
  b.images.features = model.features(b.images.images, nn::Mode::evaluation());
  b.images.images.pixels = {};
  return b;
}

void bench(Settings settings, const BenchFlags& flags) {
  LL_CHECK(flags.batch >= 1 && flags.length >= 1, "--batch and --length must be at least 1");
  LL_CHECK(flags.target_share > 0 && flags.target_share <= 1, "--target-share must be in (0, 1], got {}",
           flags.target_share);
  apply(flags.verb, settings);
  const VlmConfig config = preset_config(flags.preset);
  BenchVerb verb;
  verb.preset = flags.preset;
  verb.more["image_tokens"] = config.image_tokens();
  verb.more["shape"] = fmt::format("{} x ({} + {})", flags.batch, config.image_tokens(), flags.length);
  verb.make = [&](const std::string& method) {
    const auto subject = make_subject(settings, method, config);
    verb.more["weights_dtype"] = name_of(weights_dtype(settings, *subject->context));
    const auto batch = [flags](const Subject& s, int64_t step) { return random_batch(s, flags, step); };
    return bench_method<Vlm>(verb, subject, batch);
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

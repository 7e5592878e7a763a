#include "apps/families/bench_case.h"
#include "apps/families/vlm.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

// Shapes: llava-1.5-7b as published; vlm-small has CLIP ViT-B/32 at 224 pixels and llama2.c's stories110M.
constexpr const char* kLlava = R"({"model_type":"llava",
    "text_config":{"vocab_size":32064,"max_position_embeddings":4096}})";
constexpr const char* kSmall = R"({"model_type":"llava","vision_config":{},"text_config":{"hidden_size":768,
    "intermediate_size":2048,"num_hidden_layers":12,"num_attention_heads":12,"vocab_size":32064,
    "max_position_embeddings":4096}})";

class VlmBench final : public BenchCase {
 public:
  VlmBench() {
    preset = "vlm-small";
    sequences = 2;
    narrow_weights = true;
  }

  void add_flags(Flags& f) override {
    f.group("Model");
    f.add("preset", &preset, "vlm-small or llava-1.5-7b");
    f.add("batch,batch-size", &sequences, "Samples per step, an image and text each");
    f.add("length,max-length,max-seq-length", &length, "Tokens of text per sample");
    f.add("target-share", &target_share_, "Share of the text that is targets, the last of each sample");
    vision_.add_flags(f);
  }

  void check() override {
    LL_CHECK(sequences >= 1 && length >= 1, "--batch and --length must be at least 1");
    LL_CHECK(target_share_ > 0 && target_share_ <= 1, "--target-share must be in (0, 1], got {}", target_share_);
    check_word("preset", preset, {"vlm-small", "llava-1.5-7b"});
    vision_.check();
    config_ = VlmConfig::from_json(preset == "vlm-small" ? kSmall : kLlava, preset);
  }

  void set_blocks(int64_t count) override { config_.text.num_hidden_layers = count; }

  std::unique_ptr<nn::Model> new_model(const MethodSettings& method) const override {
    auto model = std::make_unique<Vlm>(config_);
    if (method.full()) {
      const std::string tower = std::string(kVlmTower) + ".";
      model->train([&](const std::string& n) { return !n.starts_with(tower); });
    } else {
      const auto pairs = [](const std::string& word) { return word == "lora" ? VlmPart::lora : VlmPart::frozen; };
      attach_adapter(*model, lora,
                     vlm_family({.tower = pairs(vision_.tower), .projector = pairs(vision_.projector)}, config_));
    }
    return model;
  }

  double random_std() const override { return config_.text.initializer_range; }
  nlohmann::ordered_json shape() const override {
    return {{"image_tokens", config_.image_tokens()},
            {"shape", fmt::format("{} x ({} + {})", sequences, config_.image_tokens(), length)}};
  }

  // An image and random tokens behind it, of which the last `share` are targets; one pass of the tower.
  PackedBatch random_batch(const nn::Model& model, int64_t step) const override {
    const Vlm& vlm = static_cast<const Vlm&>(model);
    const int64_t T = config_.image_tokens(), H = config_.vision.image_size;
    const int64_t token = config_.image_token_id;
    std::vector<nn::Segment> segments;
    std::vector<int32_t> targets;
    for (int64_t i = 0; i < sequences; ++i) {
      nn::Segment segment{std::vector<int32_t>(T, static_cast<int32_t>(token)), i, {}};
      for (int64_t p = 0; p < length; ++p) {
        segment.ids.push_back(bench_token(step, i, p, token));
        if (static_cast<double>(p) < (1 - target_share_) * static_cast<double>(length)) continue;
        segment.select.push_back(static_cast<int32_t>(T + p));
        targets.push_back(bench_token(step, i, p + 1, token));
      }
      segments.push_back(std::move(segment));
    }
    Context& context = model.context();
    PackedBatch b = pack_batch(context, segments, std::move(targets));
    b.images = place_images(context, segments, std::vector<int64_t>(sequences, 1), config_);
    b.images.images.pixels =
        Tensor::from<float>(context, {sequences, 3, H, H}, std::vector<float>(sequences * 3 * H * H, 0.5f));
    if (vlm.tower().learns()) return b;
    b.images.features = vlm.features(b.images.images, nn::Mode::evaluation());
    b.images.images.pixels = {};
    return b;
  }

  Tensor loss(const nn::Model& model, const PackedBatch& b, const nn::Mode& mode, double scale) const override {
    LinearCrossEntropyOptions options;
    options.scale = scale;
    return static_cast<const Vlm&>(model).loss(b.rows, b.images, b.targets, mode, options);  // (1)
  }

 private:
  double target_share_ = 0.5;
  VisionSettings vision_;
  VlmConfig config_;
};

}  // namespace

std::unique_ptr<BenchCase> vlm_bench() { return std::make_unique<VlmBench>(); }

}  // namespace lowland::apps

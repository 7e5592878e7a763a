#include "apps/families/bench_case.h"
#include "apps/families/llama.h"
#include "engine/error.h"
#include "models/gpt2/config.h"

namespace lowland::apps {
namespace {

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

struct Gpt2Preset {
  const char* name;
  int64_t hidden, layers, heads;
};
constexpr Gpt2Preset kGpt2Presets[] = {
    {"gpt2", 768, 12, 12}, {"gpt2-medium", 1024, 24, 16}, {"gpt2-large", 1280, 36, 20}};

std::unique_ptr<DecoderConfig> config_of(const Preset& p) {
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
  return c.copy();
}

std::unique_ptr<DecoderConfig> config_of(const Gpt2Preset& p) {
  Gpt2Config c;
  c.hidden_size = p.hidden;
  c.num_hidden_layers = p.layers;
  c.num_attention_heads = c.num_key_value_heads = p.heads;
  return c.copy();
}

class LlamaBench final : public BenchCase {
 public:
  LlamaBench() {
    preset = "llama-110m";
    sequences = 4;
    length = 256;
    narrow_weights = true;
  }

  void add_flags(Flags& f) override {
    f.group("Model");
    f.add("preset", &preset,
          "llama-110m, llama-3.2-1b, llama-3.2-3b, llama-3.1-8b, llama-2-7b, gpt2, gpt2-medium or gpt2-large");
    f.add("batch,batch-size", &sequences, "Sequences per step");
    f.add("length,max-length,max-seq-length", &length, "Tokens per sequence");
    f.add("target-share", &target_share_, "Share of the tokens that are targets, the last of each sequence");
  }

  void check() override {
    LL_CHECK(sequences >= 1 && length >= 1, "--batch and --length must be at least 1");
    LL_CHECK(target_share_ > 0 && target_share_ <= 1, "--target-share must be in (0, 1], got {}", target_share_);
    std::vector<std::string> names;
    const auto take = [&](const auto& presets) {
      for (const auto& p : presets) {
        names.emplace_back(p.name);
        if (preset == p.name) config_ = config_of(p);
      }
    };
    take(kPresets);
    take(kGpt2Presets);
    check_word("preset", preset, names);
    LL_CHECK(length <= config_->max_tokens(), "--length {}: {} has {} positions", length, preset,
             config_->max_tokens());
  }

  void set_blocks(int64_t count) override { config_->num_hidden_layers = count; }

  std::unique_ptr<nn::Model> new_model(const MethodSettings& method) const override {
    std::unique_ptr<nn::Model> model = config_->new_model();
    if (method.full()) {
      model->train([](const std::string&) { return true; });
    } else {
      attach_adapter(*model, lora, config_->family());
    }
    return model;
  }

  double random_std() const override { return config_->initializer_range; }
  nlohmann::ordered_json shape() const override { return {{"shape", fmt::format("{} x {}", sequences, length)}}; }

  // Random tokens; of each sequence the last `share` are targets.
  PackedBatch random_batch(const nn::Model& model, int64_t step) const override {
    LanguageSplit split;
    for (int64_t i = 0; i < sequences; ++i) {
      LanguageExample e;
      for (int64_t p = 0; p <= length; ++p) {
        e.ids.push_back(bench_token(step, i, p, config_->vocab_size));
        const double from = (1 - target_share_) * static_cast<double>(length);
        e.learn.push_back(p > 0 && static_cast<double>(p) > from ? 1 : 0);
      }
      split.add(std::move(e));
    }
    LanguageData data;
    data.train = std::move(split);
    return LanguageModelling(std::move(data), 0)
        .pack(model, DataSplit::train, first_examples(sequences, sequences), {.step = step, .training = true});
  }

  Tensor loss(const nn::Model& model, const PackedBatch& b, const nn::Mode& mode, double scale) const override {
    return objective_.loss(model, b, mode, scale);
  }

 private:
  double target_share_ = 0.5;
  std::unique_ptr<DecoderConfig> config_;
  LanguageModelling objective_{{}, 0};
};

}  // namespace

std::unique_ptr<BenchCase> llama_bench() { return std::make_unique<LlamaBench>(); }

}  // namespace lowland::apps

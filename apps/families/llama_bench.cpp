#include "apps/families/bench_case.h"
#include "apps/families/llama.h"
#include "engine/error.h"
#include "models/llama/family.h"

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
    f.add("preset", &preset, "llama-110m, llama-3.2-1b, llama-3.2-3b, llama-3.1-8b or llama-2-7b");
    f.add("batch,batch-size", &sequences, "Sequences per step");
    f.add("length,max-length,max-seq-length", &length, "Tokens per sequence");
    f.add("target-share", &target_share_, "Share of the tokens that are targets, the last of each sequence");
  }

  void check() override {
    LL_CHECK(sequences >= 1 && length >= 1, "--batch and --length must be at least 1");
    LL_CHECK(target_share_ > 0 && target_share_ <= 1, "--target-share must be in (0, 1], got {}", target_share_);
    std::vector<std::string> names;
    for (const Preset& p : kPresets) {
      names.emplace_back(p.name);
      if (preset != p.name) continue;
      config_.hidden_size = p.hidden;
      config_.intermediate_size = p.ffn;
      config_.num_hidden_layers = p.layers;
      config_.num_attention_heads = p.heads;
      config_.num_key_value_heads = p.kv_heads;
      config_.head_dim = p.hidden / p.heads;
      config_.vocab_size = p.vocab;
      config_.tie_word_embeddings = p.tied;
      config_.max_position_embeddings = 131072;
    }
    check_word("preset", preset, names);
  }

  void set_blocks(int64_t count) override { config_.num_hidden_layers = count; }

  std::unique_ptr<nn::Model> new_model(const MethodSettings& method) const override {
    auto model = std::make_unique<Llama>(config_);
    if (method.full()) {
      model->train([](const std::string&) { return true; });
    } else {
      attach_adapter(*model, lora, lowland::llama_family(config_));
    }
    return model;
  }

  double random_std() const override { return config_.initializer_range; }
  nlohmann::ordered_json shape() const override { return {{"shape", fmt::format("{} x {}", sequences, length)}}; }

  // Random tokens; of each sequence the last `share` are targets.
  PackedBatch random_batch(const nn::Model& model, int64_t step) const override {
    LanguageSplit split;
    for (int64_t i = 0; i < sequences; ++i) {
      LanguageExample e;
      for (int64_t p = 0; p <= length; ++p) {
        e.ids.push_back(bench_token(step, i, p, config_.vocab_size));
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
  LlamaConfig config_;
  LanguageModelling objective_{{}, 0};
};

}  // namespace

std::unique_ptr<BenchCase> llama_bench() { return std::make_unique<LlamaBench>(); }

}  // namespace lowland::apps

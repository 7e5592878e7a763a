#include "apps/families/bench_case.h"
#include "apps/families/roberta.h"
#include "apps/train/run_folder.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

class RobertaBench final : public BenchCase {
 public:
  RobertaBench() {
    preset = "roberta-base";
    narrow_weights = true;
  }

  void add_flags(Flags& f) override {
    f.group("Model");
    f.add("preset", &preset, "roberta-base, roberta-large, bert-base, bert-large or distilbert-base");
    f.add("batch,batch-size", &sequences, "Sequences per step");
    f.add("length,max-length,max-seq-length", &length, "Tokens per sequence");
    f.add("lengths", &lengths_file_, "JSON file with a list of batches, each a list of lengths, instead");
  }

  void check() override {
    check_word("preset", preset, {"roberta-base", "roberta-large", "bert-base", "bert-large", "distilbert-base"});
    LL_CHECK(sequences >= 1 && length >= 1, "--batch and --length must be at least 1");
    config_.model_type = preset.substr(0, preset.find('-'));
    if (config_.model_type == "roberta") {
      config_.max_position_embeddings = 514;
      config_.type_vocab_size = 1;
      config_.layer_norm_eps = 1e-5;
    } else {  // the rest is as BERT has it
      config_.vocab_size = 30522;
      config_.pad_token_id = 0;
    }
    if (config_.model_type == "distilbert") config_.num_hidden_layers = 6;
    if (preset.ends_with("-large")) {
      config_.hidden_size = 1024;
      config_.num_hidden_layers = 24;
      config_.num_attention_heads = 16;
      config_.intermediate_size = 4096;
    }
    read_lengths();
  }

  void set_blocks(int64_t count) override { config_.num_hidden_layers = count; }

  std::unique_ptr<nn::Model> new_model(const MethodSettings& method) const override {
    auto model = std::make_unique<Roberta>(config_, RobertaHead::classification);
    if (method.full()) {
      model->train([](const std::string&) { return true; });
    } else {
      attach_adapter(*model, lora, lowland::roberta_family(config_.model_type));
    }
    return model;
  }

  double random_std() const override { return config_.initializer_range; }
  nlohmann::ordered_json shape() const override {
    return {{"shape", lengths_file_.empty() ? fmt::format("{} x {}", sequences, length) : "lengths"}};
  }

  PackedBatch random_batch(const nn::Model& model, int64_t step) const override {
    const std::vector<int64_t>& lengths = lengths_[step % static_cast<int64_t>(lengths_.size())];
    std::vector<nn::Segment> segments;
    std::vector<int32_t> labels;
    for (int64_t i = 0; i < static_cast<int64_t>(lengths.size()); ++i) {
      nn::Segment s{{}, i, {0}};
      for (int64_t p = 0; p < lengths[i]; ++p) s.ids.push_back(bench_token(step, i, p, config_.vocab_size));
      labels.push_back(static_cast<int32_t>((i + step) % 2));
      segments.push_back(std::move(s));
    }
    return pack_batch(model.context(), segments, std::move(labels));
  }

  Tensor loss(const nn::Model& model, const PackedBatch& b, const nn::Mode& mode, double scale) const override {
    CrossEntropyOptions options;
    options.scale = scale;
    return ops::cross_entropy(static_cast<const Roberta&>(model).forward(b.rows, mode), b.targets, options);  // (1)
  }

 private:
  // The lengths of each batch: all `length`, or as the file lists them ({"lengths": [[...], ...]} or [[...], ...]).
  void read_lengths() {
    LL_CHECK(lengths_file_.empty() || batch.rank.world == 1, "--lengths is for one process");
    if (lengths_file_.empty()) {
      lengths_ = {std::vector<int64_t>(sequences, length)};
      return;
    }
    nlohmann::json j = read_json_file(lengths_file_);
    if (j.is_object() && j.contains("lengths")) j = j.at("lengths");
    try {
      lengths_ = j.get<std::vector<std::vector<int64_t>>>();
    } catch (const nlohmann::json::exception&) {
      fail("{}: expected a list of lists of lengths", lengths_file_);
    }
  }

  std::string lengths_file_;
  RobertaConfig config_;
  std::vector<std::vector<int64_t>> lengths_;
};

}  // namespace

std::unique_ptr<BenchCase> roberta_bench() { return std::make_unique<RobertaBench>(); }

}  // namespace lowland::apps

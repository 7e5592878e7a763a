// Decoders that classify, against transformers' *ForSequenceClassification and peft: logits, losses, every gradient,
// twenty steps, and folders both ways. The references are double-precision (tests/golden/make_classifier_golden.py).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/decoder/config.h"
#include "models/hub/adapter.h"
#include "models/hub/merge.h"
#include "models/roberta/roberta.h"
#include "models/text/text_folder.h"
#include "optim/method.h"
#include "tests/hub/hub_fixture.h"
#include "tests/models/golden.h"

using namespace lowland;
using test::check_gradients;
using test::host;
using test::kStored;
using test::max_abs_diff;

namespace {

const char* const kDecoders[] = {"llama", "qwen2", "qwen3", "phi3", "gemma2", "gemma3", "gpt2"};

std::string golden_folder(const std::string& name) { return test::source_dir() + "/tests/golden/" + name; }
std::string base_of_kind(const std::string& kind) {
  return golden_folder(kind == "gpt2" ? "gpt2_tiny" : "llama_tiny/" + kind);
}

struct ClassGolden : test::Golden {
  explicit ClassGolden(const std::string& name) : test::Golden(golden_folder("classifiers/" + name)) {}

  // Of each text the row that the model reads.
  nn::Rows rows(const TextModel& model, const std::string& batch, const std::string& suffix = "") {
    const std::vector<int32_t> ids = ints(batch + "/ids" + suffix), cu = ints(batch + "/cu_seqlens" + suffix);
    std::vector<nn::Segment> segments;
    for (size_t s = 0; s + 1 < cu.size(); ++s) {
      nn::Segment text{{ids.begin() + cu[s], ids.begin() + cu[s + 1]}, static_cast<int64_t>(s), {}};
      text.select = {model.head_row(text.ids.size())};
      segments.push_back(std::move(text));
    }
    return nn::pack(context, segments);
  }
};

// A base, and an adapter's folder; without one the base is a classifier itself.
struct Classifier {
  std::unique_ptr<TextConfig> config;
  HubFamily family;
  std::optional<LoadedAdapter> adapter;
  AdapterSettings settings;
  std::unique_ptr<TextModel> model;
  LoadReport report;
  BaseModel base_model;

  Classifier(Context& context, const std::string& base, const std::string& folder, DType dtype, bool recompute = false)
      : config(text_config_of(base)), family(config->classifier_family()) {
    if (!folder.empty()) {
      adapter = load_adapter(folder, family.rename);
      config->set_labels({"no", "perhaps", "yes"});
      fit_classifier(*config, *adapter);
      settings = settings_of(*adapter);
    }
    model = config->new_classifier();
    if (adapter) attach_adapter(*model, settings, family, &*adapter);
    model->set_recompute(recompute);
    model->materialise(context, dtype);
    WeightMap weights = open_weights(base, family);
    base_model = lowland::base_of(weights);
    report = load_classifier(*model, weights, 1, adapter ? &*adapter : nullptr);
    if (adapter) fill_adapter(*model, *adapter);
  }
  Tensor gradient(const std::string& name) const {
    const std::string prefix = "base_model.model.";
    REQUIRE(name.rfind(prefix, 0) == 0);
    const std::string mine = name.substr(prefix.size());
    return model->arena().has(mine) ? model->arena().grad(mine) : model->parameters().find(mine).grad();
  }
  std::vector<double> logits(const nn::Rows& rows) const {
    const NoGrad guard(model->context());
    return host(model->forward(rows, nn::Mode::evaluation()));
  }
};

Tensor mean_of_classes(const Tensor& logits, const Tensor& labels) {
  CrossEntropyOptions options;
  options.scale = 1.0 / static_cast<double>(labels.numel());
  return ops::cross_entropy(logits, labels, options);
}

double largest_loss_difference(ClassGolden& golden, const std::string& kind, DType dtype) {
  const Classifier c(golden.context, base_of_kind(kind), golden_folder("classifiers/" + kind), dtype);
  optim::MethodOptions options;
  options.max_grad_norm = 0;
  const auto method = optim::make_method("lora", c.model->arena(), options);
  const std::vector<double> expected = golden.values("train/losses");
  REQUIRE(expected.size() == 20);
  std::vector<double> losses;
  for (size_t t = 0; t < expected.size(); ++t) {
    const std::string k = "_" + std::to_string(t % 4);
    c.model->arena().zero_grads();
    const Tensor loss = mean_of_classes(c.model->forward(golden.rows(*c.model, "train", k), {true, 0, t}),
                                        golden.labels(golden.ints("train/labels" + k)));
    losses.push_back(loss.item());
    golden.context.tape().backward(loss);
    method->step(1e-2, 0, loss);
  }
  return max_abs_diff(losses, expected);
}

}  // namespace

TEST_CASE("Decoders that classify: logits, loss and every gradient equal transformers' and peft's") {
  for (const char* kind : kDecoders) {
    CAPTURE(kind);
    ClassGolden golden(kind);
    for (const DType dtype : {DType::f64, DType::f32}) {
      const bool exact = dtype == DType::f64;
      const Classifier c(golden.context, base_of_kind(kind), golden_folder(std::string("classifiers/") + kind), dtype,
                         exact);
      CHECK(c.report.fresh == std::vector<std::string>{"score.weight"});  // a language model has none
      const nn::Rows rows = golden.rows(*c.model, "batch");
      const Tensor logits = c.model->forward(rows, {true, 0, 0});
      CHECK(max_abs_diff(host(logits), golden.values("lora/logits")) <= (exact ? 1e-10 : 1e-5));
      const Tensor loss = mean_of_classes(logits, golden.labels(golden.ints("batch/labels")));
      CHECK(std::abs(loss.item() - golden.values("lora/loss")[0]) <= (exact ? 1e-10 : 1e-5));
      golden.context.tape().backward(loss);
      check_gradients(golden, "lora/grad/", exact ? kStored : 1e-4,
                      [&](const std::string& n) { return c.gradient(n); });
    }
  }
}

TEST_CASE("Decoders that classify: twenty AdamW steps give peft's losses") {
  for (const char* kind : kDecoders) {
    CAPTURE(kind);
    ClassGolden golden(kind);
    CHECK(largest_loss_difference(golden, kind, DType::f64) <= 1e-8);
    CHECK(largest_loss_difference(golden, kind, DType::f32) <= 1e-4);
  }
}

TEST_CASE("Decoders that classify: an adapter is written as it was read, and merged into a classifier's folder") {
  for (const char* kind : kDecoders) {
    CAPTURE(kind);
    ClassGolden golden(kind);
    const test::Folder out;
    const std::string folder = golden_folder(std::string("classifiers/") + kind);
    const Classifier c(golden.context, base_of_kind(kind), folder, DType::f32);
    LoadedAdapter collected = collect_adapter(*c.model, c.settings, c.family, c.base_model);
    collected.card->labels = c.config->labels;
    save_adapter(out / "a", std::move(collected));
    const nn::Rows rows = golden.rows(*c.model, "batch");
    const std::vector<double> wanted = golden.values("lora/logits");
    CHECK(Classifier(golden.context, base_of_kind(kind), out / "a", DType::f32).logits(rows) == c.logits(rows));
    const nlohmann::json config = nlohmann::json::parse(read_file(out / "a/adapter_config.json"));
    CHECK(config.at("task_type") == "SEQ_CLS");
    CHECK(config.at("modules_to_save") == nlohmann::json{"score"});
    CHECK(config.at("fan_in_fan_out") == (std::string(kind) == "gpt2"));

    merge_adapter(base_of_kind(kind), out / "a", out / "m", c.family);
    const Classifier merged(golden.context, out / "m", "", DType::f32);
    CHECK(merged.report.fresh.empty());
    CHECK(merged.config->labels == c.config->labels);
    CHECK(merged.config->architectures == std::vector<std::string>{c.config->classifier_class()});
    CHECK(max_abs_diff(merged.logits(rows), wanted) <= 1e-4);
    if (std::string(kind) == "llama") {  // the labels of what is merged stand in the adapter alone
      merge_adapter(base_of_kind(kind), folder, out / "n",
                    read_decoder_config(read_file(base_of_kind(kind) + "/config.json"), kind)->family());
      CHECK(text_config_of(out / "n")->labels == std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"});
    }
  }
}

TEST_CASE("A folder of a decoder that gives a score: logits and mean squared error equal transformers'") {
  ClassGolden golden("score");
  const std::string folder = golden_folder("classifiers/score");
  for (const DType dtype : {DType::f64, DType::f32}) {
    const bool exact = dtype == DType::f64;
    const Classifier c(golden.context, folder, "", dtype);
    CHECK(c.report.fresh.empty());
    CHECK(c.report.unused.empty());
    CHECK(c.config->num_labels == 1);
    CHECK(c.config->problem_type == "regression");
    const nn::Rows rows = golden.rows(*c.model, "batch");
    CHECK(max_abs_diff(c.logits(rows), golden.values("logits")) <= (exact ? 1e-10 : 1e-5));
    const Tensor numbers = Tensor::empty(golden.context, {rows.S}, dtype);
    numbers.assign(golden.values("batch/numbers"));
    const Tensor loss =
        ops::mse(c.model->forward(rows, nn::Mode::evaluation()), numbers, 1.0 / static_cast<double>(rows.S));
    CHECK(std::abs(loss.item() - golden.values("loss")[0]) <= (exact ? 1e-10 : 1e-5));
    golden.context.tape().clear();
  }
  // Its head does not fit three labels: another one is drawn.
  std::unique_ptr<TextConfig> config = text_config_of(folder);
  config->set_labels({"a", "b", "c"});
  const std::unique_ptr<TextModel> model = config->new_classifier();
  model->materialise(golden.context, DType::f32);
  WeightMap weights = open_weights(folder, config->classifier_family());
  CHECK(load_classifier(*model, weights, 1).fresh == std::vector<std::string>{"score.weight"});
}

TEST_CASE("Label words: logits at the mask, loss and every gradient equal transformers' and peft's") {
  for (const char* kind : {"roberta", "bert", "distilbert"}) {
    CAPTURE(kind);
    const std::string name = std::string("words_") + kind, base = golden_folder(std::string(kind) + "_tiny/mlm");
    ClassGolden golden(name);
    RobertaConfig config = RobertaConfig::from_folder(base);
    config.label_words = golden.ints("batch/words");
    const HubFamily family = config.classifier_family();
    LoadedAdapter adapter = load_adapter(golden_folder("classifiers/" + name));
    CHECK(adapter.config.base_model_class == config.classifier_class());
    CHECK(family.base_model_class == adapter.config.base_model_class);
    CHECK(family.parent_library == adapter.config.parent_library);
    const std::vector<int32_t> ids = golden.ints("batch/ids"), cu = golden.ints("batch/cu_seqlens");
    const std::vector<int32_t> masks = golden.ints("batch/masks");
    std::vector<nn::Segment> segments;
    for (size_t s = 0; s < masks.size(); ++s)
      segments.push_back({{ids.begin() + cu[s], ids.begin() + cu[s + 1]}, static_cast<int64_t>(s), {masks[s]}});
    const nn::Rows rows = nn::pack(golden.context, segments);
    for (const DType dtype : {DType::f64, DType::f32}) {
      const bool exact = dtype == DType::f64;
      const std::unique_ptr<TextModel> model = config.new_classifier();
      attach_adapter(*model, settings_of(adapter), family, &adapter);
      model->materialise(golden.context, dtype);
      WeightMap weights = open_weights(base, family);
      CHECK(load_classifier(*model, weights, 1).fresh.empty());
      fill_adapter(*model, adapter);
      const Tensor logits = model->forward(rows, {true, 0, 0});
      CHECK(max_abs_diff(host(logits), golden.values("logits")) <= (exact ? 1e-10 : 1e-5));
      const Tensor loss = mean_of_classes(logits, golden.labels(golden.ints("batch/labels")));
      CHECK(std::abs(loss.item() - golden.values("loss")[0]) <= (exact ? 1e-10 : 1e-5));
      golden.context.tape().backward(loss);
      check_gradients(golden, "grad/", exact ? kStored : 1e-4, [&](const std::string& n) {
        return model->arena().grad(n.substr(std::string("base_model.model.").size()));
      });
    }
    // Trained in full, the words' rows of the table and of the bias learn, and no others of the bias do.
    const std::unique_ptr<TextModel> whole = config.new_classifier();
    whole->train([](const std::string&) { return true; });
    whole->materialise(golden.context, DType::f32);
    WeightMap weights = open_weights(base, family);
    load_classifier(*whole, weights, 1);
    golden.context.tape().backward(
        mean_of_classes(whole->forward(rows, {true, 0, 0}), golden.labels(golden.ints("batch/labels"))));
    const std::vector<double> bias = host(whole->parameters().find(config.kind().lm_bias).grad());
    const std::vector<int32_t> words = golden.ints("batch/words");
    for (size_t i = 0; i < bias.size(); ++i)
      CHECK((bias[i] != 0) == (std::find(words.begin(), words.end(), static_cast<int32_t>(i)) != words.end()));
  }
}

TEST_CASE("config.json of a classifier: the language model's with class, labels and type of numbers") {
  const std::unique_ptr<TextConfig> config = text_config_of(base_of_kind("gemma3"));
  CHECK(!config->has_own_labels());
  config->set_labels({"down", "up"});
  config->problem_type = "single_label_classification";
  const nlohmann::json j = nlohmann::json::parse(config->classifier_json());
  CHECK(j.at("architectures") == nlohmann::json{"Gemma3TextForSequenceClassification"});
  CHECK(j.at("id2label") == nlohmann::json{{"0", "down"}, {"1", "up"}});
  CHECK(j.at("label2id").at("up") == 1);
  CHECK(j.at("problem_type") == "single_label_classification");
  CHECK(j.at("hidden_size") == 20);
  CHECK(text_config_of(base_of_kind("phi3"))->classifier_class() == "Phi3ForSequenceClassification");
  CHECK(text_config_of(base_of_kind("gpt2"))->classifier_class() == "GPT2ForSequenceClassification");
  const test::Folder out;
  const auto says = [&](const std::string& json) {
    write_file_atomically(out / "config.json", json);
    return test::complaint([&] { text_config_of(out.path); });
  };
  CHECK(says(R"({"model_type": "opt"})")
            .find("model_type is opt, not one of roberta, bert, distilbert, xlm-roberta, camembert, "
                  "gpt2, llama, mistral, qwen2") != std::string::npos);
  CHECK(says(R"({"model_type": "gpt2", "architectures": ["GPT2ForSequenceClassification"], "id2label": {"1": "a"}})")
            .find("id2label has 1 ids, but not 0 to 0") != std::string::npos);
}

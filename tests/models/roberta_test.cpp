// The whole model against transformers and peft: logits, losses, every gradient, twenty steps of training.
// The references are double-precision (tests/golden/make_roberta_golden.py, make_encoder_golden.py).
#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "models/hub/adapter.h"
#include "models/roberta/family.h"
#include "models/roberta/roberta.h"
#include "optim/method.h"
#include "tests/models/golden.h"

using namespace lowland;
using test::check_gradients;
using test::host;
using test::kStored;
using test::max_abs_diff;
using test::norm;

namespace {

const char* const kModels[] = {"roberta_tiny", "bert_tiny", "distilbert_tiny"};

struct Golden : test::Golden {
  std::string folder;
  explicit Golden(const std::string& model = "roberta_tiny")
      : test::Golden(test::source_dir() + "/tests/golden/" + model),
        folder(test::source_dir() + "/tests/golden/" + model) {}

  // Segments of packed ids; `select` of each: its first row, or the rows with a target. Token types where the file has
  // them: BERT's are pairs.
  nn::Rows rows(const std::string& ids_name, const std::string& suffix, const std::vector<int32_t>& targets = {}) {
    const std::vector<int32_t> ids = ints(ids_name + suffix);
    const std::string batch = suffix.empty() ? "batch/" : "train/", types_name = batch + "types" + suffix;
    const std::vector<int32_t> cu = ints(batch + "cu_seqlens" + suffix);
    const std::vector<int32_t> types = file.contains(types_name) ? ints(types_name) : std::vector<int32_t>();
    std::vector<nn::Segment> segments;
    for (size_t s = 0; s + 1 < cu.size(); ++s) {
      nn::Segment segment{{ids.begin() + cu[s], ids.begin() + cu[s + 1]}, static_cast<int64_t>(s), {}};
      if (!types.empty()) segment.types = {types.begin() + cu[s], types.begin() + cu[s + 1]};
      if (targets.empty()) segment.select = {0};
      for (int32_t i = cu[s]; !targets.empty() && i < cu[s + 1]; ++i)
        if (targets[i] >= 0) segment.select.push_back(i - cu[s]);
      segments.push_back(std::move(segment));
    }
    return nn::pack(context, segments);
  }
  nn::Rows batch() { return rows("batch/ids", ""); }
};

HubFamily family_of(const RobertaConfig& config) { return roberta_family(config.model_type); }

void load(Roberta& model, const std::string& folder) {
  WeightMap weights = open_weights(folder, family_of(model.config()));
  for (const auto& [name, tensor] : model.parameters().named()) weights.read_into(name, tensor);
}

Tensor mean_loss(const Tensor& logits, const Tensor& targets) {
  CrossEntropyOptions options;
  options.scale = 1.0 / static_cast<double>(targets.numel());
  return ops::cross_entropy(logits, targets, options);
}

struct Adapted {
  LoadedAdapter adapter;
  Roberta model;

  Adapted(Golden& golden, DType dtype)
      : adapter(load_adapter(golden.folder + "/adapter")),
        model(RobertaConfig::from_folder(golden.folder), RobertaHead::classification) {
    attach_adapter(model, settings_of(adapter), family_of(model.config()), &adapter);
    model.materialise(golden.context, dtype);
    load(model, golden.folder);
    fill_adapter(model, adapter);
  }
  // By the name in adapter_model.safetensors.
  Tensor gradient(const std::string& name) {
    const std::string prefix = "base_model.model.";
    REQUIRE(name.rfind(prefix, 0) == 0);
    const std::string mine = name.substr(prefix.size());
    if (model.arena().has(mine)) return model.arena().grad(mine);
    return model.parameters().find(mine).grad();
  }
};

// Over twenty AdamW steps.
double largest_loss_difference(Golden& golden, DType dtype) {
  Adapted a(golden, dtype);
  optim::MethodOptions options;
  options.max_grad_norm = 0;
  const auto method = optim::make_method("lora", a.model.arena(), options);
  const std::vector<double> expected = golden.values("train/losses");
  REQUIRE(expected.size() == 20);
  std::vector<double> losses;
  for (size_t t = 0; t < expected.size(); ++t) {
    const std::string k = std::to_string(t % 4);
    const nn::Rows rows = golden.rows("train/ids", "_" + k);
    a.model.arena().zero_grads();
    const Tensor loss = mean_loss(a.model.forward(rows, {true, 0, t}), golden.labels(golden.ints("train/labels_" + k)));
    losses.push_back(loss.item());
    golden.context.tape().backward(loss);
    method->step(1e-2, 0, loss);
    CHECK(method->stats().finite);
  }
  return max_abs_diff(losses, expected);
}

}  // namespace

TEST_CASE("Encoders: logits, loss and every gradient of full fine-tuning equal transformers'") {
  for (const char* which : kModels) {
    CAPTURE(which);
    Golden golden(which);
    for (const DType dtype : {DType::f64, DType::f32}) {
      for (const bool recompute : {false, true}) {
        CAPTURE(recompute);
        Roberta model(RobertaConfig::from_folder(golden.folder), RobertaHead::classification);
        model.train([](const std::string&) { return true; });
        model.set_recompute(recompute);
        model.materialise(golden.context, dtype);
        load(model, golden.folder);
        const nn::Rows rows = golden.batch();
        const Tensor logits = model.forward(rows, {true, 0, 0});
        CHECK(max_abs_diff(host(logits), golden.values("full/logits")) <= (dtype == DType::f64 ? 1e-10 : 1e-5));
        const Tensor loss = mean_loss(logits, golden.labels(golden.ints("batch/labels")));
        CHECK(std::abs(loss.item() - golden.values("full/loss")[0]) <= (dtype == DType::f64 ? 1e-10 : 1e-5));
        golden.context.tape().backward(loss);
        check_gradients(golden, "full/grad/", dtype == DType::f64 ? kStored : 1e-4,
                        [&](const std::string& name) { return model.parameters().find(name).grad(); });
      }
    }
  }
}

TEST_CASE("Encoders with a peft adapter: logits and every gradient equal peft's") {
  for (const char* which : kModels) {
    CAPTURE(which);
    Golden golden(which);
    for (const DType dtype : {DType::f64, DType::f32}) {
      Adapted a(golden, dtype);
      const nn::Rows rows = golden.batch();
      const Tensor logits = a.model.forward(rows, {true, 0, 0});
      CHECK(max_abs_diff(host(logits), golden.values("lora/logits")) <= (dtype == DType::f64 ? 1e-10 : 1e-5));
      const Tensor loss = mean_loss(logits, golden.labels(golden.ints("batch/labels")));
      CHECK(std::abs(loss.item() - golden.values("lora/loss")[0]) <= (dtype == DType::f64 ? 1e-10 : 1e-5));
      golden.context.tape().backward(loss);
      check_gradients(golden, "lora/grad/", dtype == DType::f64 ? kStored : 1e-4,
                      [&](const std::string& name) { return a.gradient(name); });
    }
  }
}

TEST_CASE("Encoders with a peft adapter: twenty AdamW steps give peft's losses") {
  for (const char* which : kModels) {
    CAPTURE(which);
    Golden golden(which);
    CHECK(largest_loss_difference(golden, DType::f64) <= 1e-8);
    CHECK(largest_loss_difference(golden, DType::f32) <= 1e-4);
  }
}

// The emulated device would take the CPU's way again.
TEST_CASE("RoBERTa with a peft adapter in bf16: no further off than twice what PyTorch in bf16 is" *
          doctest::skip(test::test_device() == "emulated")) {
  Golden golden;
  const auto bound = [](const char* what) { return 2 * test::bf16_bound("roberta_tiny", what); };
  Adapted a(golden, DType::bf16);
  const nn::Rows rows = golden.batch();
  const Tensor logits = a.model.forward(rows, {true, 0, 0});
  CHECK(max_abs_diff(host(logits), golden.values("lora/logits")) <= bound("logits"));
  golden.context.tape().backward(mean_loss(logits, golden.labels(golden.ints("batch/labels"))));
  CHECK(test::gradient_difference(golden, "lora/grad/", [&](const std::string& n) { return a.gradient(n); }) <=
        bound("grad"));
  CHECK(largest_loss_difference(golden, DType::bf16) <= bound("losses"));
}

TEST_CASE("Encoders, regression: loss and the head's gradients equal transformers'") {
  for (const char* which : kModels) {
    CAPTURE(which);
    Golden golden(which);
    RobertaConfig config = RobertaConfig::from_folder(golden.folder);
    config.set_labels({"LABEL_0"});
    Roberta model(config, RobertaHead::classification);
    model.train([](const std::string&) { return true; });
    model.materialise(golden.context, DType::f64);
    WeightMap weights = open_weights(golden.folder, family_of(config));
    for (const auto& [name, tensor] : model.parameters().named()) {
      if (name.rfind("classifier.", 0) == 0) {
        tensor.copy_from(
            Tensor::from<double>(golden.context, tensor.shape(), golden.values("regression/weight/" + name)));
      } else {
        weights.read_into(name, tensor);
      }
    }
    const nn::Rows rows = golden.batch();
    const Tensor y = model.forward(rows, {true, 0, 0});
    CHECK(max_abs_diff(host(y), golden.values("regression/logits")) <= 1e-10);
    const std::vector<double> targets = golden.values("regression/targets");
    const int64_t n = targets.size();
    const Tensor loss = ops::mse(y, Tensor::from<double>(golden.context, {n}, targets), 1.0 / static_cast<double>(n));
    CHECK(std::abs(loss.item() - golden.values("regression/loss")[0]) <= 1e-10);
    golden.context.tape().backward(loss);
    int checked = 0;
    for (const auto& [name, tensor] : model.parameters().named()) {
      if (!golden.file.contains("regression/grad/" + name)) continue;
      const std::vector<double> ref = golden.values("regression/grad/" + name);
      CHECK(max_abs_diff(host(tensor.grad()), ref) <= kStored * norm(ref));
      ++checked;
    }
    CHECK(checked >= 2);
  }
}

TEST_CASE("Encoders, masked language modelling: logits, loss and every gradient equal transformers'") {
  for (const char* which : kModels) {
    CAPTURE(which);
    Golden golden(which);
    for (const DType dtype : {DType::f64, DType::f32}) {
      Roberta model(RobertaConfig::from_folder(golden.folder + "/mlm"), RobertaHead::masked_lm);
      model.train([](const std::string&) { return true; });
      model.materialise(golden.context, dtype);
      load(model, golden.folder + "/mlm");
      const std::vector<int32_t> all = golden.ints("mlm/targets");
      const nn::Rows rows = golden.rows("mlm/ids", "", all);
      std::vector<int32_t> targets;
      for (const int32_t t : all)
        if (t >= 0) targets.push_back(t);
      const Tensor logits = model.forward(rows, {true, 0, 0});
      CHECK(max_abs_diff(host(logits), golden.values("mlm/logits")) <= (dtype == DType::f64 ? 1e-10 : 2e-5));
      const Tensor loss = mean_loss(logits, golden.labels(targets));
      CHECK(std::abs(loss.item() - golden.values("mlm/loss")[0]) <= (dtype == DType::f64 ? 1e-10 : 1e-5));
      golden.context.tape().backward(loss);
      check_gradients(golden, "mlm/grad/", dtype == DType::f64 ? kStored : 1e-4,
                      [&](const std::string& name) { return model.parameters().find(name).grad(); });
    }
  }
}

TEST_CASE("Encoders: a packed batch gives each segment what it gets alone, dropout included") {
  for (const char* which : kModels) {
    CAPTURE(which);
    Golden golden(which);
    RobertaConfig config = RobertaConfig::from_folder(golden.folder);
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.2;
    Roberta model(config, RobertaHead::classification);
    model.materialise(golden.context, DType::f64);
    load(model, golden.folder);
    const std::vector<int32_t> ids = golden.ints("batch/ids"), cu = golden.ints("batch/cu_seqlens");
    const std::vector<int32_t> types =
        golden.file.contains("batch/types") ? golden.ints("batch/types") : std::vector<int32_t>(ids.size());
    const NoGrad guard(golden.context);
    const nn::Mode mode{true, 5, 3};
    const std::vector<double> together = host(model.forward(golden.batch(), mode));
    for (size_t s = 0; s + 1 < cu.size(); ++s) {
      const nn::Segment one{{ids.begin() + cu[s], ids.begin() + cu[s + 1]},
                            static_cast<int64_t>(s),
                            {0},
                            {types.begin() + cu[s], types.begin() + cu[s + 1]}};
      const std::vector<double> alone = host(model.forward(nn::pack(golden.context, {one}), mode));
      const std::vector<double> here(together.begin() + static_cast<std::ptrdiff_t>(s * 3),
                                     together.begin() + static_cast<std::ptrdiff_t>(s * 3 + 3));
      CHECK(max_abs_diff(alone, here) <= 1e-12);
    }
  }
}

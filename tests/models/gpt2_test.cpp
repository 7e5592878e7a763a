// GPT-2 against transformers and peft: logits, losses, every gradient, twenty steps, greedy texts and those of a beam
// search. The references are double-precision (tests/golden/make_gpt2_golden.py).
#include "models/gpt2/gpt2.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/decoder/beam_search.h"
#include "models/decoder/load_weights.h"
#include "models/hub/adapter.h"
#include "optim/method.h"
#include "tests/models/golden.h"

using namespace lowland;
using test::check_gradients;
using test::Golden;
using test::host;
using test::kStored;
using test::max_abs_diff;

namespace {

std::string folder() { return test::source_dir() + "/tests/golden/gpt2_tiny"; }

Gpt2Config config_of(const std::string& of) {
  return Gpt2Config::from_json(read_file(of + "/config.json"), of + "/config.json");
}

// A packed batch: every row selected, or those with a target.
struct Batch {
  std::vector<int32_t> ids, cu, targets;

  Batch(Golden& golden, const std::string& prefix, const std::string& suffix)
      : ids(golden.ints(prefix + "/ids" + suffix)),
        cu(golden.ints(prefix + "/cu_seqlens" + suffix)),
        targets(golden.ints(prefix + "/targets" + suffix)) {}

  std::vector<nn::Segment> segments(bool all) const {
    std::vector<nn::Segment> out;
    for (size_t s = 0; s + 1 < cu.size(); ++s) {
      out.push_back({text(s), static_cast<int64_t>(s), {}});
      for (int32_t i = cu[s]; i < cu[s + 1]; ++i)
        if (all || targets[i] >= 0) out.back().select.push_back(i - cu[s]);
    }
    return out;
  }
  std::vector<int32_t> text(size_t s) const { return {ids.begin() + cu[s], ids.begin() + cu[s + 1]}; }
  std::vector<int32_t> wanted() const {
    std::vector<int32_t> out;
    for (const int32_t t : targets)
      if (t >= 0) out.push_back(t);
    return out;
  }
};

Tensor mean_loss(const Gpt2& model, const Batch& batch, const nn::Mode& mode, double smoothing = 0) {
  Context& context = model.context();
  const nn::Rows rows = nn::pack(context, batch.segments(false));
  LinearCrossEntropyOptions options;
  options.scale = 1.0 / static_cast<double>(rows.K);
  options.label_smoothing = smoothing;
  const Tensor targets = Tensor::from<int32_t>(context, {rows.K}, batch.wanted());
  return model.loss(model.decode(model.embed(rows.ids), rows, mode), targets, options);
}

std::vector<double> logits_of(const Gpt2& model, const std::vector<nn::Segment>& segments) {
  const NoGrad guard(model.context());
  return host(model.forward(nn::pack(model.context(), segments), nn::Mode::evaluation()));
}

struct Trained {
  Gpt2 model;
  Trained(Context& context, DType dtype, const std::string& of = folder()) : model(config_of(of)) {
    model.train([](const std::string&) { return true; });
    model.materialise(context, dtype);
    WeightMap weights(of, "transformer");
    CHECK(load_weights(model, weights, 1).empty());
  }
};

struct Adapted {
  LoadedAdapter adapter = load_adapter(folder() + "/adapter");
  Gpt2 model;

  Adapted(Context& context, DType dtype, double dropout = 0, bool recompute = false)
      : model([&] {
          Gpt2Config c = config_of(folder());
          c.resid_pdrop = c.embd_pdrop = c.attn_pdrop = dropout;
          return c;
        }()) {
    AdapterSettings settings = settings_of(adapter);
    settings.dropout = dropout;
    attach_adapter(model, settings, gpt2_family(model.config()), &adapter);
    model.set_recompute(recompute);
    model.materialise(context, dtype);
    WeightMap weights(folder(), "transformer");
    CHECK(load_weights(model, weights, 1).empty());
    fill_adapter(model, adapter);
  }
  Tensor gradient(const std::string& name) {
    const std::string prefix = "base_model.model.";
    REQUIRE(name.rfind(prefix, 0) == 0);
    return model.arena().grad(name.substr(prefix.size()));
  }
  std::vector<double> gradients(const Batch& batch, const nn::Mode& mode) {
    model.arena().zero_grads();
    model.context().tape().backward(mean_loss(model, batch, mode));
    return host(model.arena().grads());
  }
};

// A gradient as files hold the parameter.
Tensor filed_gradient(const Gpt2& model, const std::string& name) {
  const Tensor g = model.parameters().find(name).grad();
  if (!model.parameters().input_first(name)) return g;
  const Tensor one = Tensor::zeros(g.context(), {g.dim(1), g.dim(1)}, g.dtype());
  std::vector<double> unit(g.dim(1) * g.dim(1));
  for (int64_t i = 0; i < g.dim(1); ++i) unit[i * g.dim(1) + i] = 1;
  one.assign(unit);
  return ops::matmul(one, g, false, true);  // (in, out)
}

double largest_loss_difference(Golden& golden, DType dtype) {
  Adapted a(golden.context, dtype);
  optim::MethodOptions options;
  options.max_grad_norm = 0;
  const auto method = optim::make_method("lora", a.model.arena(), options);
  const std::vector<double> expected = golden.values("train/losses");
  REQUIRE(expected.size() == 20);
  std::vector<double> losses;
  for (size_t t = 0; t < expected.size(); ++t) {
    a.model.arena().zero_grads();
    const Tensor loss = mean_loss(a.model, Batch(golden, "train", "_" + std::to_string(t % 4)), {true, 0, t});
    losses.push_back(loss.item());
    golden.context.tape().backward(loss);
    method->step(1e-2, 0, loss);
  }
  return max_abs_diff(losses, expected);
}

}  // namespace

TEST_CASE("GPT-2: logits, loss and every gradient of full fine-tuning equal transformers'") {
  Golden golden(folder());
  const Batch batch(golden, "batch", "");
  for (const DType dtype : {DType::f64, DType::f32}) {
    const bool exact = dtype == DType::f64;
    Trained t(golden.context, dtype);
    CHECK(max_abs_diff(logits_of(t.model, batch.segments(true)), golden.values("full/logits")) <=
          (exact ? 1e-6 : 1e-5));  // stored in f32
    const Tensor loss = mean_loss(t.model, batch, {true, 0, 0});
    CHECK(std::abs(loss.item() - golden.values("full/loss")[0]) <= (exact ? 1e-10 : 1e-5));
    golden.context.tape().backward(loss);
    const NoGrad guard(golden.context);
    check_gradients(golden, "full/grad/", exact ? kStored : 1e-4,
                    [&](const std::string& n) { return filed_gradient(t.model, n); });
  }
}

TEST_CASE("GPT-2 with a head of its own, gelu by erf and scores by the layer: logits equal transformers'") {
  Golden golden(folder());
  const Batch batch(golden, "batch", "");
  for (const DType dtype : {DType::f64, DType::f32}) {
    const Trained t(golden.context, dtype, folder() + "/other");
    CHECK(max_abs_diff(logits_of(t.model, batch.segments(true)), golden.values("other/logits")) <=
          (dtype == DType::f64 ? 1e-6 : 1e-5));
  }
}

TEST_CASE("GPT-2 with a peft adapter: logits, loss, smoothed loss and every gradient equal peft's") {
  Golden golden(folder());
  const Batch batch(golden, "batch", "");
  for (const DType dtype : {DType::f64, DType::f32}) {
    const bool exact = dtype == DType::f64;
    Adapted a(golden.context, dtype);
    CHECK(a.adapter.config.fan_in_fan_out);
    CHECK(a.adapter.modules.size() == 8);  // c_attn, c_proj twice and c_fc of two layers
    const std::vector<double> logits = logits_of(a.model, batch.segments(true));
    CHECK(max_abs_diff(logits, golden.values("lora/logits")) <= (exact ? 1e-6 : 1e-5));
    CHECK(max_abs_diff(logits, golden.values("full/logits")) > 1e-2);  // the adapter does something
    CHECK(std::abs(mean_loss(a.model, batch, {true, 0, 0}, 0.1).item() - golden.values("smooth/loss")[0]) <=
          (exact ? 1e-7 : 1e-5));  // transformers sums it in float32
    golden.context.tape().clear();
    const Tensor loss = mean_loss(a.model, batch, {true, 0, 0});
    CHECK(std::abs(loss.item() - golden.values("lora/loss")[0]) <= (exact ? 1e-10 : 1e-5));
    golden.context.tape().backward(loss);
    check_gradients(golden, "lora/grad/", exact ? kStored : 1e-4, [&](const std::string& n) { return a.gradient(n); });
  }
}

TEST_CASE("GPT-2 with a peft adapter: twenty AdamW steps give peft's losses") {
  Golden golden(folder());
  CHECK(largest_loss_difference(golden, DType::f64) <= 1e-8);
  CHECK(largest_loss_difference(golden, DType::f32) <= 1e-4);
}

// The emulated device would take the CPU's way again.
TEST_CASE("GPT-2 with a peft adapter in bf16: no further off than twice what PyTorch in bf16 is" *
          doctest::skip(test::test_device() == "emulated")) {
  Golden golden(folder());
  const auto bound = [&](const char* what) { return 2 * test::bf16_bound("gpt2_tiny", what); };
  Adapted a(golden.context, DType::bf16);
  const Batch batch(golden, "batch", "");
  CHECK(max_abs_diff(logits_of(a.model, batch.segments(true)), golden.values("lora/logits")) <= bound("logits"));
  golden.context.tape().backward(mean_loss(a.model, batch, {true, 0, 0}));
  CHECK(test::gradient_difference(golden, "lora/grad/", [&](const std::string& n) { return a.gradient(n); }) <=
        bound("grad"));
  CHECK(largest_loss_difference(golden, DType::bf16) <= bound("losses"));
}

TEST_CASE("GPT-2: a packed batch gives the gradients that its texts give one by one, dropouts included") {
  Golden golden(folder());
  const Batch batch(golden, "batch", "");
  Adapted a(golden.context, DType::f64, 0.2), again(golden.context, DType::f64, 0.2, true),
      dry(golden.context, DType::f64);
  const nn::Mode mode{true, 5, 3};
  const std::vector<double> together = a.gradients(batch, mode);
  CHECK(again.gradients(batch, mode) == together);  // blocks made again
  CHECK(max_abs_diff(dry.gradients(batch, mode), together) > 1e-3);
  a.model.arena().zero_grads();
  const size_t all = batch.wanted().size();
  for (const nn::Segment& one : batch.segments(false)) {
    if (one.select.empty()) continue;
    std::vector<int32_t> targets;
    for (const int64_t row : one.select) targets.push_back(batch.targets[batch.cu[one.example] + row]);
    const nn::Rows rows = nn::pack(golden.context, {one});
    LinearCrossEntropyOptions options;
    options.scale = 1.0 / static_cast<double>(all);
    golden.context.tape().backward(a.model.loss(a.model.decode(a.model.embed(rows.ids), rows, mode),
                                                Tensor::from<int32_t>(golden.context, {rows.K}, targets), options));
  }
  CHECK(max_abs_diff(host(a.model.arena().grads()), together) <= 1e-10);
}

TEST_CASE("GPT-2: greedy texts equal transformers', alone and among others; a text past the positions is refused") {
  Golden golden(folder());
  const Batch batch(golden, "batch", "");
  const Trained t(golden.context, DType::f32);
  std::vector<std::vector<int32_t>> prompts;
  for (size_t s = 0; s + 1 < batch.cu.size(); ++s) prompts.push_back(batch.text(s));
  GenerateOptions options;
  options.max_new_tokens = 64;
  const auto together = generate(t.model, prompts, options);
  CHECK(together[0] == golden.ints("greedy/tokens"));
  for (size_t s = 0; s < prompts.size(); ++s) CHECK(generate(t.model, {prompts[s]}, options)[0] == together[s]);
  CHECK_THROWS_WITH_AS(generate(t.model, {std::vector<int32_t>(97, 4)}, options),
                       "prompt 0 has 97 tokens, the model takes 96", Error);
}

TEST_CASE("GPT-2: a beam search finds the texts and scores of transformers' generate, alone and among others") {
  Golden golden(folder());
  const Batch batch(golden, "batch", "");
  const Trained t(golden.context, DType::f32);
  const nlohmann::json beams = nlohmann::json::parse(read_file(folder() + "/beams.json"));
  const std::vector<std::vector<int32_t>> prompts = {batch.text(0), batch.text(3)};
  int64_t ended = 0;
  const nlohmann::json all_settings = beams.at("settings");
  for (const auto& setting : all_settings.items()) {
    const std::string& name = setting.key();
    const nlohmann::json& s = setting.value();
    CAPTURE(name);
    GenerateOptions options;
    options.max_new_tokens = beams.at("max_new_tokens");
    options.beams.count = s.at("num_beams");
    options.beams.length_penalty = s.value("length_penalty", 1.0);
    options.sampling.no_repeat_ngram = s.value("no_repeat_ngram_size", 0);
    options.sampling.repetition_penalty = s.value("repetition_penalty", 1.0);
    if (s.contains("early_stopping"))
      options.beams.early = s.at("early_stopping") == "never" ? EarlyStopping::never : EarlyStopping::first;
    const nlohmann::json stop = s.value("eos_token_id", nlohmann::json(2));
    options.stop = stop.is_array() ? stop.get<std::vector<int32_t>>() : std::vector<int32_t>{stop.get<int32_t>()};
    const auto found = beam_search(t.model, prompts, options);
    for (size_t k = 0; k < prompts.size(); ++k) {
      const std::string suffix = "_" + std::to_string(k);
      const std::vector<int32_t> tokens = golden.ints("beam/" + name + "/tokens" + suffix);
      const std::vector<double> scores = golden.values("beam/" + name + "/scores" + suffix);
      REQUIRE(found[k].size() == scores.size());
      const size_t width = tokens.size() / scores.size();
      for (size_t b = 0; b < scores.size(); ++b) {
        std::vector<int32_t> text(tokens.begin() + b * width, tokens.begin() + (b + 1) * width);
        std::erase(text, -1);
        const bool stops = std::find(options.stop.begin(), options.stop.end(), text.back()) != options.stop.end();
        if (stops) text.pop_back();
        ended += stops ? 1 : 0;
        CHECK(found[k][b].tokens == text);
        CHECK(std::abs(found[k][b].score - scores[b]) <= 1e-5 * std::abs(scores[b]));
      }
      CHECK(beam_search(t.model, {prompts[k]}, options)[0][0].tokens == found[k][0].tokens);
      CHECK(generate(t.model, prompts, options)[k] == found[k][0].tokens);
    }
  }
  CHECK(ended > 30);
}

TEST_CASE("GPT-2: what a beam search cannot do is refused") {
  Golden golden(folder());
  const Trained t(golden.context, DType::f32);
  GenerateOptions options;
  options.beams.count = 0;
  CHECK_THROWS_WITH_AS(generate(t.model, {{3}}, options), "num-beams must be from 1 to 1024, got 0", Error);
  options.beams.count = 4;
  options.max_new_tokens = 0;
  CHECK(generate(t.model, {{3}}, options)[0].empty());
  options.max_new_tokens = 200;  // more than there are positions
  CHECK(generate(t.model, {{3, 4}}, options)[0].size() <= 95);
  options.sampling.temperature = 1;
  CHECK_THROWS_WITH_AS(generate(t.model, {{3}}, options),
                       "num-beams 4: a beam search takes the likeliest tokens, and draws none: temperature must be 0, "
                       "not 1",
                       Error);
}

TEST_CASE("Gpt2Config: defaults, spellings and what is not computed") {
  const auto read = [](const std::string& more) {
    return Gpt2Config::from_json(R"({"model_type": "gpt2")" + more + "}", "config.json");
  };
  const Gpt2Config plain = read("");
  CHECK(plain.vocab_size == 50257);
  CHECK(plain.hidden_size == 768);
  CHECK(plain.ffn() == 3072);
  CHECK(plain.head_dim == 64);
  CHECK(plain.max_tokens() == 1024);
  CHECK(plain.tie_word_embeddings);
  CHECK(plain.eos_token_ids == std::vector<int32_t>{50256});
  CHECK(plain.attention_scale(3) == 0.125);
  CHECK(read(R"(, "scale_attn_weights": false, "scale_attn_by_inverse_layer_idx": true)").attention_scale(3) == 0.25);
  CHECK(read(R"(, "vocab_size": 300)").eos_token_ids.empty());
  CHECK(read(R"(, "n_ctx": 1024, "summary_type": "cls_index", "n_special": 0, "reorder_and_upcast_attn": true)")
            .notes.empty());
  const auto refused = [&](const std::string& key, const std::string& value) {
    try {
      read(", \"" + key + "\": " + value);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(refused("n_head", "7") == "config.json: n_embd is 768, not a multiple of n_head, 7");
  CHECK(refused("n_layer", "0") == "config.json: n_layer is 0");
  CHECK(refused("activation_function", "\"silu\"") ==
        "config.json: activation_function is silu; gelu_new, gelu_pytorch_tanh, gelu_fast, gelu and relu are "
        "supported");
  CHECK(refused("resid_pdrop", "1") == "config.json: resid_pdrop is 1, outside [0, 1)");
  CHECK(refused("add_cross_attention", "true") ==
        "config.json: add_cross_attention is true: cross-attention is not supported");
  CHECK(refused("eos_token_id", "60000") == "config.json: eos_token_id holds 60000, which is no id of the vocabulary");

  Gpt2Config other = config_of(folder() + "/other");
  for (const bool from_file : {true, false}) {
    if (!from_file) other.source.clear();
    const Gpt2Config again = Gpt2Config::from_json(other.to_json(), "again");
    CHECK(again.own_json() == other.own_json());
    CHECK(!again.tie_word_embeddings);
    CHECK(again.activation_function == "gelu");
    CHECK(again.num_hidden_layers == 3);
  }
  CHECK_THROWS_WITH_AS(read_decoder_config(R"({"model_type": "opt"})", "F"),
                       doctest::Contains("model_type is opt; gpt2"), Error);
}

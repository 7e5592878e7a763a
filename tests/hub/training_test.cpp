// Training on from adapters that peft made, and from weights that it took apart (make_training_golden.py): its losses,
// and what is saved computes what peft computes with the adapter that it saved.
#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "engine/io/safetensors.h"
#include "models/decoder/tied_head.h"
#include "models/hub/initial_pairs.h"
#include "models/hub/merge.h"
#include "optim/method.h"
#include "tests/hub/tiny_models.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::json;

namespace {

std::string kind(const std::string& name) { return tiny("training/" + name); }

const json& peft_says() {
  static const json values = json::parse(read_file(kind("expected.json")));
  return values;
}

using Texts = std::vector<std::vector<int32_t>>;

struct Subject {
  std::string base;
  Texts texts;
  bool classes;
  HubFamily family;
  AdapterSettings settings;
  std::unique_ptr<nn::Model> model;
  std::vector<LoraFactors> initial;

  // Of a folder of tests/golden or another: with an adapter's folder, with settings for a new one, or with neither.
  Subject(const std::string& of, Texts ids, const std::string& folder, const AdapterSettings* begin = nullptr)
      : base(of.starts_with("/") ? of : tiny(of)), texts(std::move(ids)), classes(false) {
    classes = has(read_file(base + "/config.json"), "\"roberta\"");
    family = classes ? roberta_family() : llama_family(LlamaConfig::from_folder(base));
    std::optional<LoadedAdapter> adapter;
    if (!folder.empty()) adapter = load_adapter(folder, family.rename);
    const LoadedAdapter* const given = adapter ? &*adapter : nullptr;
    if (given != nullptr || begin != nullptr) settings = given != nullptr ? settings_of(*given) : *begin;
    WeightMap weights = open_weights(base, family);
    const auto make = [&](nn::Model& made) {
      if (given != nullptr || begin != nullptr) attach_adapter(made, settings, family, given);
      made.materialise(cpu(), DType::f32);
    };
    if (classes) {
      auto roberta = tiny_roberta(base);
      make(*roberta);
      load_weights(*roberta, weights, 1);
      model = std::move(roberta);
    } else {
      LlamaConfig config = LlamaConfig::from_folder(base);
      if (given != nullptr) fit_to_adapter(config, *adapter, kLlamaEmbedding);
      auto llama = std::make_unique<Llama>(config);
      make(*llama);
      load_weights(*llama, weights, 1, given);
      model = std::move(llama);
    }
    if (given != nullptr) fill_adapter(*model, *given);
    if (given == nullptr && takes_from_base(settings.init)) initial = begin_with_base(*model, settings.init);
  }

  // Of a decoder every row, or all but the last of each text; of a classifier the first.
  Tensor logits(bool whole) const {
    std::vector<nn::Segment> segments;
    for (const auto& ids : texts) {
      nn::Segment text{ids, static_cast<int32_t>(segments.size()), {}};
      for (int32_t i = 0; i < (classes ? 1 : static_cast<int32_t>(ids.size()) - (whole ? 0 : 1)); ++i)
        text.select.push_back(i);
      segments.push_back(text);
    }
    const nn::Rows rows = nn::pack(cpu(), segments);
    return classes ? static_cast<const Roberta&>(*model).forward(rows, nn::Mode::evaluation())
                   : static_cast<const Llama&>(*model).forward(rows, nn::Mode::evaluation());
  }

  std::vector<double> values() const {
    const NoGrad guard(cpu());
    return logits(true).to(DType::f64).to_vector<double>();
  }

  std::vector<double> train(const std::string& name) {
    const auto method = optim::make_method(name, model->arena(), {.max_grad_norm = 0});
    std::vector<int32_t> targets;
    if (classes) targets = peft_says().at("labels").get<std::vector<int32_t>>();
    for (const auto& ids : texts)
      if (!classes) targets.insert(targets.end(), ids.begin() + 1, ids.end());
    const auto n = static_cast<int64_t>(targets.size());
    const Tensor wanted = Tensor::from<int32_t>(cpu(), {n}, targets);
    const auto pass = [&] {
      model->arena().zero_grads();
      const auto view = method->training_view();
      const Tensor loss = ops::cross_entropy(logits(false), wanted, {.scale = 1.0 / static_cast<double>(n)});
      cpu().tape().backward(loss);
      return loss.item();
    };
    std::vector<double> losses;
    for (size_t step = 0; step < peft_says().at("kinds").at("ranks").at("losses").size(); ++step) {
      losses.push_back(pass());
      if (method->wants_second_pass()) {
        method->ascend(0.05);
        pass();
        method->restore();
      }
      method->step(peft_says().at("lr").get<double>(), 0.05, {});
    }
    return losses;
  }

  LoadedAdapter collected() const {
    return collect_adapter(*model, settings, family, base_of(open_weights(base, family)), initial);
  }
};

double apart(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return 1e9;
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

// Names and shapes of a file; of a wrapped module peft saves its biases, where all are trained, more than once.
std::set<std::string> tensors_in(const std::string& folder) {
  std::set<std::string> out;
  const SafetensorsFile file(folder + "/adapter_model.safetensors");
  for (const TensorInfo& t : file.tensors())
    if (!has(t.name, ".original_module.") && !has(t.name, ".modules_to_save."))
      out.insert(t.name + " " + to_string(t.shape));
  return out;
}

AdapterSettings new_settings(const std::string& name) {
  const json config = json::parse(read_file(kind(name) + "/end/adapter_config.json"));
  AdapterSettings s;
  const double twice = config.at("use_rslora").get<bool>() ? std::sqrt(2.0) : 2;
  const auto half = [](const json& pattern) {
    json out = pattern;
    for (auto& [key, value] : out.items()) value = value.get<int64_t>() / 2;
    return out.empty() ? "" : out.dump();
  };
  s.rank = config.at("r").get<int64_t>() / 2;
  s.alpha = config.at("lora_alpha").get<double>() / twice;
  s.rslora = config.at("use_rslora");
  s.rank_pattern = half(config.at("rank_pattern"));
  s.alpha_pattern = half(config.at("alpha_pattern"));
  s.targets = fmt::format("{}", fmt::join(config.at("target_modules").get<std::vector<std::string>>(), ","));
  s.init = name.substr(0, name.find('-'));
  return s;
}

Subject loaded(const std::string& name, const std::string& folder) {
  const json& says = peft_says().at("kinds").at(name);
  return {says.at("base"), says.at("ids"), folder};
}

Subject begun(const std::string& name) {
  const json& says = peft_says().at("kinds").at(name);
  if (!says.at("converted").get<bool>()) return loaded(name, kind(name) + "/start");
  const AdapterSettings settings = new_settings(name);
  return {says.at("base"), says.at("ids"), "", &settings};
}

}  // namespace

TEST_CASE("training on: the losses of peft's steps, and an adapter that computes what peft's does") {
  for (const auto& [name, says] : peft_says().at("kinds").items()) {
    const std::string which = name, base = says.at("base");
    CAPTURE(which);
    const Folder out;
    Subject subject = begun(name);
    const auto wanted = says.at("losses").get<std::vector<double>>();
    const std::vector<double> losses = subject.train("lora");
    REQUIRE(losses.size() == wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) CHECK(losses[i] == doctest::Approx(wanted[i]).epsilon(1e-4));
    CHECK(wanted.back() < 0.95 * wanted.front());
    const auto logits = says.at("logits").get<std::vector<double>>();
    save_adapter(out / "a", subject.collected());
    CHECK(apart(loaded(name, out / "a").values(), subject.values()) < 1e-5);
    CHECK(apart(subject.values(), logits) < 2e-3);  // Adam's steps turn differences of rounding into some
    CHECK(apart(loaded(name, kind(name) + "/end").values(), logits) < 1e-5);
    CHECK(tensors_in(out / "a") == tensors_in(kind(name) + "/end"));
    const json mine = json::parse(read_file(out / "a/adapter_config.json")),
               theirs = json::parse(read_file(kind(name) + "/end/adapter_config.json"));
    for (const char* key :
         {"r", "rank_pattern", "alpha_pattern", "bias", "init_lora_weights", "use_rslora", "use_dora"})
      CHECK(mine.at(key) == theirs.at(key));
    CHECK(mine.at("lora_alpha").get<double>() == doctest::Approx(theirs.at("lora_alpha").get<double>()));

    merge_adapter(tiny(base), out / "a", out / "m", subject.family);
    CHECK(apart(Subject(out / "m", subject.texts, "").values(), subject.values()) < 1e-4);
  }
}

TEST_CASE("training on: a vocabulary that grows begins as peft's does, with the mean of its rows") {
  const std::string base = tiny("llama_tiny/llama");
  LlamaConfig config = LlamaConfig::from_folder(base);
  const int64_t V = config.vocab_size;
  config.vocab_size = V + 2;
  const HubFamily family = llama_family(config);
  const AdapterSettings settings{.token_indices = {{"embed_tokens", {V, V + 1}}, {"lm_head", {V, V + 1}}}};
  Llama model(config);
  attach_adapter(model, settings, family);
  CHECK(has(trained_modules(model), "; rows of tokens (4)"));
  model.materialise(cpu(), DType::f32);
  WeightMap weights = open_weights(base, family);
  CHECK(has(complaint([&] { load_weights(model, weights, 1); }), "embed_tokens"));
  weights.grow({"model.embed_tokens.weight", "lm_head.weight"});
  load_weights(model, weights, 1);
  const LoadedAdapter peft = load_adapter(kind("tokens-new/start"));
  REQUIRE(peft.stored.size() == 2);
  for (const HeadTensor& t : peft.stored) {
    const std::vector<float> mine = model.parameters().find(t.name).to_vector<float>();
    REQUIRE(mine.size() == t.values.size());
    for (size_t i = 0; i < mine.size(); ++i) CHECK(std::abs(mine[i] - t.values[i]) < 1e-6F);
  }
  const int64_t C = config.hidden_size;
  const std::vector<float> before = model.parameters().find("lm_head.weight").to_vector<float>();
  model.arena().grads().fill_zero();
  for (const nn::ArenaSlot& slot : model.arena().slots())
    nn::init_uniform(model.arena().grad(slot.name), 1, nn::init_key(3, slot.name));
  optim::make_method("lora", model.arena(), {})->step(1e-2, 0, {});
  const std::vector<float> after = model.parameters().find("lm_head.weight").to_vector<float>();
  for (int64_t i = 0; i < (V + 2) * C; ++i) CHECK((after[i] != before[i]) == (i >= V * C));
}

TEST_CASE("training on: every method goes on from pairs of different ranks, and from DoRA, and saves them") {
  for (const std::string from : {"ranks", "dora"})
    for (const char* method : {"eflat-lora", "flat-lora", "lora-sam", "bi-lora", "lora-mgpo", "flat-lora-random"}) {
      CAPTURE(from);
      CAPTURE(method);
      const Folder out;
      Subject subject = begun(from);
      const std::vector<double> losses = subject.train(method);
      CHECK(losses.back() < 0.98 * losses.front());
      save_adapter(out / "a", subject.collected());
      CHECK(tensors_in(out / "a") == tensors_in(kind(from + "/end")));
      CHECK(apart(loaded(from, out / "a").values(), subject.values()) < 1e-5);
    }
}

TEST_CASE("new adapters: DoRA begins at the base's output, whatever its pairs begin with") {
  const Texts texts = peft_says().at("kinds").at("dora").at("ids");
  const std::vector<double> base = Subject("llama_tiny/qwen2", texts, "").values();
  for (const char* init : {"true", "pissa"}) {
    const AdapterSettings settings{.rank = 2, .dora = true, .targets = "q_proj,k_proj,down_proj", .init = init};
    CHECK(apart(Subject("llama_tiny/qwen2", texts, "", &settings).values(), base) < 1e-5);
  }
  const AdapterSettings table{.dora = true, .targets = "embed_tokens"};
  CHECK(has(complaint([&] { Subject("llama_tiny/qwen2", texts, "", &table); }), "is an embedding"));
}

TEST_CASE("new adapters: only the layers that are named, as in peft, and what names none is refused") {
  const auto of = [](const std::string& layers, const std::string& targets = "q_proj,v_proj") {
    const AdapterSettings settings{.targets = targets, .layers = layers};
    return Subject("llama_tiny/qwen2", {}, "", &settings);
  };
  const Folder out;
  const Subject subject = of("1");
  for (const nn::AdapterSpec& a : subject.model->adapters()) CHECK(a.module.starts_with("model.layers.1."));
  CHECK(subject.model->adapters().size() == 2);
  save_adapter(out / "a", subject.collected());
  const json config = json::parse(read_file(out / "a/adapter_config.json"));
  CHECK(config.at("layers_to_transform") == json::array({1}));
  CHECK(config.at("target_modules") == json::array({"q_proj", "v_proj"}));
  CHECK(settings_of(load_adapter(out / "a")).layers == "1");
  CHECK(has(complaint([&] { of("1,9"); }), "layer 9 has none of the targets"));
  CHECK(has(complaint([&] { of("one"); }), "takes numbers of layers"));
  CHECK(has(complaint([&] { of("1", "all-linear"); }), "goes with --targets as a list of names"));
}

TEST_CASE("training on: biases that are not asked for stay, though they are one parameter with some that are") {
  Subject subject = begun("biases-of-pairs");
  const std::string layer = "roberta.encoder.layer.0.attention.self.";
  const auto bias = [&](const std::string& name) {
    return subject.model->parameters().find(layer + name + ".bias").to_vector<float>();
  };
  const std::vector<float> query = bias("query"), key = bias("key"), value = bias("value");
  const int64_t trained = subject.model->trainable_count();
  subject.train("lora");
  CHECK(bias("query") != query);
  CHECK(bias("key") == key);
  CHECK(bias("value") == value);
  int64_t saved = 0;
  const LoadedAdapter adapter = subject.collected();
  for (const LoraFactors& f : adapter.modules) saved += std::ssize(f.a) + std::ssize(f.b);
  for (const HeadTensor& t : adapter.head) saved += std::ssize(t.values);
  CHECK(saved == trained);
  CHECK(has(trained_modules(*subject.model), "; biases (6)"));
}

TEST_CASE("new adapters: ranks and alphas by module, ways to begin, and what is refused") {
  const auto says = [](const AdapterSettings& s, const std::string& base = "llama_tiny/llama") {
    return complaint([&] { Subject(base, {}, "", &s); });
  };
  const AdapterSettings some{
      .rank_pattern = R"({"v_proj": 3})", .alpha_pattern = R"({"layers.0.*": 6})", .targets = "q_proj,v_proj"};
  const Subject subject("llama_tiny/llama", {}, "", &some);
  for (const nn::AdapterSpec& a : subject.model->adapters()) {
    CHECK(a.r == (a.module.ends_with("v_proj") ? 3 : 8));
    CHECK(a.scale == (a.module.starts_with("model.layers.0.") ? 6.0 : 16.0) / static_cast<double>(a.r));
  }
  CHECK(
      has(says({.rank_pattern = R"({"v_proj": 3})", .targets = "q_proj"}), "--rank-pattern: v_proj matches no module"));
  CHECK(has(says({.rank_pattern = "q_proj=3"}), "--rank-pattern"));
  CHECK(has(says({.rank_pattern = R"({"q_proj": 0})"}), "has 0 for q_proj"));
  CHECK(has(says({.rank = 99, .init = "pissa"}), "rank 99 is more than the sides of"));
  CHECK(has(says({.targets = "embed_tokens", .init = "olora"}), "is an embedding"));
  CHECK(has(says({.alpha = -1, .init = "pissa"}), "needs a positive alpha"));
  // A gaussian's deviation is 1 / rank.
  const AdapterSettings normal{.rank = 32, .targets = "all-linear", .init = "gaussian"};
  const Subject drawn("llama_tiny/llama", {}, "", &normal);
  double squares = 0, count = 0;
  for (const nn::AdapterSpec& a : drawn.model->adapters())
    for (const float x : drawn.model->arena().master(a.a).to_vector<float>()) {
      squares += static_cast<double>(x) * static_cast<double>(x);
      ++count;
    }
  CHECK(std::sqrt(squares / count) == doctest::Approx(1.0 / 32).epsilon(0.03));
}

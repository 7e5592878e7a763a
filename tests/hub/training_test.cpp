// Training on from adapters that peft made, and from weights that it took apart (make_training_golden.py): its losses,
// and what is saved computes what peft computes with the adapter that it saved.
#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "engine/io/safetensors.h"
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

struct Subject {
  std::string base;
  bool classes;
  HubFamily family;
  AdapterSettings settings;
  std::unique_ptr<nn::Model> model;
  std::vector<LoraFactors> initial;

  // An adapter's folder, or settings for a new one.
  Subject(const std::string& of, const std::string& folder, const AdapterSettings* begin = nullptr)
      : base(tiny(of)), classes(of.starts_with("roberta")) {
    family = classes ? roberta_family() : llama_family(LlamaConfig::from_folder(base));
    std::optional<LoadedAdapter> adapter;
    if (begin == nullptr) adapter = load_adapter(folder, family.rename);
    settings = begin == nullptr ? settings_of(*adapter) : *begin;
    if (classes) {
      auto roberta = tiny_roberta(base);
      attach_adapter(*roberta, settings, family, adapter ? &*adapter : nullptr);
      fill(*roberta, base, family, 1);
      model = std::move(roberta);
    } else {
      auto llama = tiny_llama(base);
      attach_adapter(*llama, settings, family, adapter ? &*adapter : nullptr);
      fill(*llama, base, family, 1);
      model = std::move(llama);
    }
    if (adapter) fill_adapter(*model, *adapter);
    if (!adapter && takes_from_base(settings.init)) initial = begin_with_base(*model, settings.init);
  }

  // Of a decoder every row, or all but the last of each text; of a classifier the first.
  Tensor logits(bool whole) const {
    std::vector<nn::Segment> texts;
    for (const auto& ids : peft_says().at("ids").get<std::vector<std::vector<int32_t>>>()) {
      nn::Segment text{ids, static_cast<int32_t>(texts.size()), {}};
      for (int32_t i = 0; i < (classes ? 1 : static_cast<int32_t>(ids.size()) - (whole ? 0 : 1)); ++i)
        text.select.push_back(i);
      texts.push_back(text);
    }
    const nn::Rows rows = nn::pack(cpu(), texts);
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
    for (const auto& ids : peft_says().at("ids").get<std::vector<std::vector<int32_t>>>())
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

Subject begun(const std::string& name) {
  const json& says = peft_says().at("kinds").at(name);
  if (!says.at("converted").get<bool>()) return {says.at("base"), kind(name) + "/start"};
  const AdapterSettings settings = new_settings(name);
  return {says.at("base"), "", &settings};
}

}  // namespace

TEST_CASE("training on: the losses of peft's steps, and an adapter that computes what peft's does") {
  for (const auto& [name, says] : peft_says().at("kinds").items()) {
    CAPTURE(name);
    const std::string base = says.at("base");
    const Folder out;
    Subject subject = begun(name);
    const auto wanted = says.at("losses").get<std::vector<double>>();
    const std::vector<double> losses = subject.train("lora");
    REQUIRE(losses.size() == wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) CHECK(losses[i] == doctest::Approx(wanted[i]).epsilon(1e-4));
    CHECK(wanted.back() < 0.95 * wanted.front());
    const auto logits = says.at("logits").get<std::vector<double>>();
    save_adapter(out / "a", subject.collected());
    CHECK(apart(Subject(base, out / "a").values(), subject.values()) < 1e-5);
    CHECK(apart(subject.values(), logits) < 2e-3);  // Adam's steps turn differences of rounding into some
    CHECK(apart(Subject(base, kind(name) + "/end").values(), logits) < 1e-5);
    CHECK(tensors_in(out / "a") == tensors_in(kind(name) + "/end"));
    const json mine = json::parse(read_file(out / "a/adapter_config.json")),
               theirs = json::parse(read_file(kind(name) + "/end/adapter_config.json"));
    for (const char* key : {"r", "rank_pattern", "alpha_pattern", "bias", "init_lora_weights", "use_rslora"})
      CHECK(mine.at(key) == theirs.at(key));
    CHECK(mine.at("lora_alpha").get<double>() == doctest::Approx(theirs.at("lora_alpha").get<double>()));

    merge_adapter(tiny(base), out / "a", out / "m", subject.family);
    const auto merged = [&] {
      if (subject.classes) {
        auto model = tiny_roberta(out / "m");
        fill(*model, out / "m", subject.family, 1);
        subject.model = std::move(model);
      } else {
        auto model = tiny_llama(out / "m");
        fill(*model, out / "m", subject.family, 1);
        subject.model = std::move(model);
      }
      return subject.values();
    };
    const std::vector<double> before = subject.values();
    CHECK(apart(merged(), before) < 1e-4);
  }
}

TEST_CASE("training on: every method goes on from pairs of different ranks, and saves them") {
  for (const char* method : {"eflat-lora", "flat-lora", "lora-sam"}) {
    CAPTURE(method);
    const Folder out;
    Subject subject = begun("ranks");
    const std::vector<double> losses = subject.train(method);
    CHECK(losses.back() < 0.98 * losses.front());
    save_adapter(out / "a", subject.collected());
    CHECK(tensors_in(out / "a") == tensors_in(kind("ranks/end")));
    CHECK(apart(Subject(peft_says().at("kinds").at("ranks").at("base"), out / "a").values(), subject.values()) < 1e-5);
  }
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
    return complaint([&] { Subject(base, "", &s); });
  };
  const AdapterSettings some{
      .rank_pattern = R"({"v_proj": 3})", .alpha_pattern = R"({"layers.0.*": 6})", .targets = "q_proj,v_proj"};
  const Subject subject("llama_tiny/llama", "", &some);
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
  const Subject drawn("llama_tiny/llama", "", &normal);
  double squares = 0, count = 0;
  for (const nn::AdapterSpec& a : drawn.model->adapters())
    for (const float x : drawn.model->arena().master(a.a).to_vector<float>()) {
      squares += static_cast<double>(x) * static_cast<double>(x);
      ++count;
    }
  CHECK(std::sqrt(squares / count) == doctest::Approx(1.0 / 32).epsilon(0.03));
}

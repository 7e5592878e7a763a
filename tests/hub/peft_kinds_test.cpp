// Adapters of every kind that peft makes, with pairs on heads and embeddings, whole modules, tied weights, a grown
// vocabulary, and names as older or other programs spell them: the logits that peft computes (make_adapter_golden.py),
// before and after merging, and after Lowland has saved them again.
#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/io/safetensors_writer.h"
#include "models/decoder/tied_head.h"
#include "models/hub/merge.h"
#include "tests/hub/tiny_models.h"

using namespace lowland;
using namespace lowland::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::string kind(const std::string& name) { return tiny("hub_adapters/" + name); }

const json& peft_says() {
  static const json values = json::parse(read_file(kind("expected.json")));
  return values;
}

std::vector<double> logits(const Llama& model) {
  const NoGrad guard(cpu());
  const auto ids = peft_says().at("ids").get<std::vector<int32_t>>();
  nn::Segment all{ids, 0, {}};
  for (size_t i = 0; i < ids.size(); ++i) all.select.push_back(static_cast<int32_t>(i));
  return model.forward(nn::pack(cpu(), {all}), nn::Mode::evaluation()).to(DType::f64).to_vector<double>();
}

// A Llama of the folder, as the programs make it.
struct Loaded {
  LlamaConfig config;
  LoadedAdapter adapter;
  std::unique_ptr<Llama> model;

  explicit Loaded(const std::string& base) : config(LlamaConfig::from_folder(base)) {
    settle_tied_head(config, base, "model", {}, kLlamaEmbedding);
    model = std::make_unique<Llama>(config);
    fill(*model, base, llama_family(config), 1);
  }
  Loaded(const std::string& base, const std::string& folder)
      : config(LlamaConfig::from_folder(base)), adapter(load_adapter(folder)) {
    settle_tied_head(config, base, "model", {}, kLlamaEmbedding);
    const HubFamily family = llama_family(config);
    fit_to_adapter(config, adapter, kLlamaEmbedding);
    model = std::make_unique<Llama>(config);
    attach_adapter(*model, settings_of(adapter), family, &adapter);
    model->materialise(cpu(), DType::f32);
    WeightMap weights = open_weights(base, family);
    load_weights(*model, weights, 1, &adapter);
    fill_adapter(*model, adapter);
  }
};

double apart(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return 1e9;
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

// What the programs say of such an adapter, and what `merge` says: the same.
std::string refusal(const std::string& base, const std::string& folder) {
  const Folder out;
  const std::string loads = complaint([&] { Loaded(base, folder); });
  CHECK(complaint([&] { merge_adapter(base, folder, out / "m", llama_family()); }) == loads);
  CHECK(!fs::exists(out / "m"));
  return loads;
}

// A copy of an adapter, with one of its tensors left out or under another name, and keys of its config changed.
std::string changed(const Folder& out, const std::string& from, const json& keys,
                    const std::function<std::string(std::string)>& name = {}) {
  const std::string to = out / "changed";
  fs::remove_all(to);
  fs::copy(from, to);
  json config = json::parse(read_file(to + "/adapter_config.json"));
  if (keys.is_object()) config.update(keys);
  write_file_atomically(to + "/adapter_config.json", config.dump());
  if (!name) return to;
  const SafetensorsFile file(from + "/adapter_model.safetensors");
  std::vector<NamedTensor> tensors;
  for (const TensorInfo& t : file.tensors())
    if (const std::string other = name(t.name); !other.empty())
      tensors.emplace_back(other, file.load(cpu(), t.name, DType::f32));
  save_safetensors(to + "/adapter_model.safetensors", tensors);
  return to;
}

std::string without(const std::string& name, const std::string& part) { return has(name, part) ? "" : name; }

}  // namespace

TEST_CASE("peft kinds: loaded, merged and saved again, each computes what peft computes") {
  for (const auto& adapter : peft_says().at("adapters").items()) {
    const std::string& name = adapter.key();
    const json& values = adapter.value();
    CAPTURE(name);
    const Folder out;
    const std::string base = kind(values.at("tied").get<bool>() ? "tied" : "apart");
    const auto wanted = values.at("logits").get<std::vector<double>>();
    const Loaded loaded(base, kind(name));
    CHECK(apart(logits(*loaded.model), wanted) < 2e-5);
    CHECK(apart(logits(*Loaded(base).model), wanted) > 1e-2);

    merge_adapter(base, kind(name), out / "m", llama_family());
    const Loaded merged(out / "m");
    CHECK(merged.config.vocab_size == loaded.config.vocab_size);
    CHECK(apart(logits(*merged.model), wanted) < 2e-5);
    for (const std::string& tensor : WeightMap(out / "m").names()) {
      CHECK(!has(tensor, "original_module"));
      CHECK(!has(tensor, "modules_to_save"));
      CHECK(!has(tensor, "base_layer"));
    }

    if (!loaded.adapter.config.rank_pattern.empty()) continue;
    const WeightMap weights = open_weights(base, llama_family());
    save_adapter(out / "again", collect_adapter(*loaded.model, settings_of(loaded.adapter), llama_family(loaded.config),
                                                base_of(weights)));
    CHECK(apart(logits(*Loaded(base, out / "again").model), wanted) < 2e-5);
  }
}

TEST_CASE("peft kinds: config.json of a merged model says what changed, and nothing else") {
  const auto merged = [](const std::string& base, const std::string& name) {
    const Folder out;
    merge_adapter(kind(base), kind(name), out / "m", llama_family());
    json changes = json::object();
    const json before = json::parse(read_file(kind(base) + "/config.json")),
               after = json::parse(read_file(out / "m/config.json"));
    for (const auto& [key, value] : after.items())
      if (!before.contains(key) || before.at(key) != value) changes[key] = value;
    for (const auto& [key, value] : before.items()) CHECK(after.contains(key));
    return changes;
  };
  CHECK(merged("apart", "head") == json::object());
  CHECK(merged("tied", "ensured") == json::object());
  CHECK(merged("tied", "ensured-whole") == json::object());
  CHECK(merged("tied", "head-tied") == json{{"tie_word_embeddings", false}});
  CHECK(merged("tied", "whole-embedding-tied") == json{{"tie_word_embeddings", false}});
  CHECK(merged("apart", "grown") == json{{"vocab_size", 44}});
  CHECK(merged("tied", "grown-tied") == json{{"tie_word_embeddings", false}, {"vocab_size", 44}});
}

TEST_CASE("peft kinds: what does not load does not merge, each in its own sentence") {
  const Folder out;
  const std::string base = kind("apart");
  const auto says = [&](const std::string& from, const json& keys,
                        const std::function<std::string(std::string)>& name = {}) {
    return refusal(base, changed(out, kind(from), keys, name));
  };
  CHECK(has(says("head", {}, [](const std::string& n) { return without(n, "layers.1"); }),
            "has no factors for `model.layers.1.self_attn.q_proj`, which its target_modules name"));
  CHECK(has(says("norms", {}, [](const std::string& n) { return without(n, "model.norm"); }),
            "has no tensor model.norm.weight"));
  CHECK(has(says("grown", {}, [](const std::string& n) { return has(n, "lm_head") ? "" : n; }),
            "rows in its embedding and"));
  CHECK(has(refusal(kind("tied"), changed(out, kind("whole-head-tied"), {},
                                          [](const std::string& n) { return without(n, "lm_head"); })),
            "has no tensor of lm_head, which its modules_to_save names"));
  CHECK(has(says("head", {{"modules_to_save", {"lm_head"}}}), "`lm_head` is not one of the target_modules"));
  CHECK(has(says("norms", {{"modules_to_save", nullptr}}),
            "is neither a LoRA factor nor of a module in modules_to_save"));
  CHECK(has(says("infix-whole", {{"modules_to_save", nullptr}}), "is of a module that modules_to_save does not name"));
  CHECK(has(says("infix-whole", nullptr),
            "has no tensor lm_head.weight, only one under modules_to_save.default: rename it"));
  CHECK(
      has(says("head", {}, [](const std::string& n) { return has(n, "layers.1") && has(n, "lora_A") ? n + ".x" : n; }),
          "is no factor of LoRA that is known"));
  CHECK(has(says("infix", {},
                 [](std::string n) {
                   if (has(n, "layers.1")) n.replace(n.find("default"), 7, "other");
                   return n;
                 }),
            "holds several adapters (default, other)"));
  CHECK(has(says("embedding", {}, [](const std::string& n) { return without(n, "lora_embedding_B"); }),
            "has no lora_embedding_B"));
}

TEST_CASE("peft kinds: a name that no module has is told with those that are near") {
  const Loaded loaded(kind("apart"), kind("unknown-name"));
  const std::string lost = unmatched_targets(*loaded.model, loaded.adapter);
  CHECK(has(lost, "target_modules names what the model does not have: "));
  CHECK(has(lost, "c_attn"));
  CHECK(has(lost, "v_porj: did you mean v_proj"));
  const auto says = [](const AdapterSettings& settings, bool tied = false) {
    const LlamaConfig config = LlamaConfig::from_folder(kind(tied ? "tied" : "apart"));
    Llama model(config);
    return complaint([&] { attach_adapter(model, settings, llama_family(config)); });
  };
  CHECK(says({.targets = "q_proj,lm_head,embed_tokens"}).empty());
  CHECK(has(says({.targets = "q_proj,v_porj"}),
            "--targets v_porj matches no linear module of the model (they are q_proj"));
  CHECK(has(says({.targets = "q_proj,v_porj"}), "did you mean v_proj or"));
  CHECK(has(says({.targets = "lmhead"}), "did you mean lm_head?"));
  CHECK(has(says({.modules_to_save = "nrom"}), "the model has no such module: did you mean norm?"));
  CHECK(has(says({.modules_to_save = "lm_head"}, true), "--ensure-weight-tying trains them as one"));
  CHECK(says({.modules_to_save = "lm_head", .ensure_weight_tying = true}, true).empty());
  CHECK(near_names("v_porj", {"q_proj", "v_proj", "down_proj", "v_proj"}).front() == "v_proj");
  CHECK(near_names("xyz", {"q_proj"}).empty());
}

TEST_CASE("peft kinds: all-linear and expressions for everything leave heads and embeddings alone") {
  for (const char* targets : {"all-linear", ".*", R"(.*\.\w+)"}) {
    Llama model(LlamaConfig::from_folder(kind("apart")));
    attach_adapter(model, {.targets = targets}, llama_family());
    CHECK(model.adapters().size() == (std::string(targets) == R"(.*\.\w+)" ? 15 : 14));
  }
  Llama model(LlamaConfig::from_folder(kind("apart")));
  attach_adapter(model, {.targets = "q_proj,lm_head,embed_tokens"}, llama_family());
  CHECK(trained_modules(model) == "embed_tokens (1), lm_head (1), q_proj (2)");
}

// Twenty steps' worth of gradients would be another test's; here each pair's gradient is that of finite differences.
TEST_CASE("peft kinds: pairs on head and embedding learn, tied ones together") {
  for (const bool tie : {false, true}) {
    CAPTURE(tie);
    const LlamaConfig config = LlamaConfig::from_folder(kind("tied"));
    Llama model(config);
    attach_adapter(model, {.rank = 2, .alpha = 3, .targets = "lm_head,embed_tokens", .ensure_weight_tying = tie},
                   llama_family(config));
    CHECK(model.adapters().size() == (tie ? 1 : 2));
    model.materialise(cpu(), DType::f64);
    WeightMap weights = open_weights(kind("tied"), llama_family(config));
    load_weights(model, weights, 1);
    disturb(model);
    const nn::Rows rows = nn::pack(cpu(), {{{5, 9, 2, 31, 17}, 0, {0, 1, 2, 3, 4}}, {{7, 9, 9}, 1, {1, 2}}});
    const Tensor targets = Tensor::from<int32_t>(cpu(), {7}, {9, 2, 31, 17, 4, 9, 1});
    for (const int64_t chunk : {0, 3}) {
      LinearCrossEntropyOptions options;
      options.scale = 1.0 / 7;
      options.chunk_rows = chunk;
      const auto loss = [&] {
        return model.loss(model.decode(model.embed(rows.ids), rows, nn::Mode::evaluation()), targets, options,
                          rows.selected);
      };
      model.arena().zero_grads();
      cpu().tape().backward(loss());
      const NoGrad guard(cpu());
      for (const nn::ArenaSlot& slot : model.arena().slots()) {
        const Tensor master = model.arena().master(slot.name);
        std::vector<double> values = master.to_vector<double>();
        const std::vector<double> gradient = model.arena().grad(slot.name).to_vector<double>();
        for (const size_t i : {size_t{0}, size_t{9}, values.size() - 3}) {
          const double kept = values[i], h = 1e-5;
          const auto at = [&](double x) {
            values[i] = x;
            master.copy_from(Tensor::from<double>(cpu(), master.shape(), values));
            return loss().item();
          };
          const double slope = (at(kept + h) - at(kept - h)) / (2 * h);
          at(kept);
          CAPTURE(slot.name);
          CAPTURE(i);
          CHECK(gradient[i] == doctest::Approx(slope).epsilon(1e-6));
        }
      }
    }
  }
}

TEST_CASE("tied head: one of other values than the embedding beside it is used, whatever config.json says") {
  const SafetensorsFile tied(kind("tied") + "/model.safetensors"), own(kind("apart") + "/model.safetensors");
  const std::string table = "model.embed_tokens.weight", head = "lm_head.weight";
  // The tied model's folder with a head beside its embedding, or with nothing but a head.
  const auto logits_with = [&](const Tensor& stored, bool with_table, bool& is_tied) {
    const Folder out;
    write_file_atomically(out / "config.json", read_file(kind("tied") + "/config.json"));
    std::vector<NamedTensor> tensors{{head, stored}};
    for (const TensorInfo& t : tied.tensors())
      if (with_table || t.name != table) tensors.emplace_back(t.name, tied.load(cpu(), t.name, DType::f32));
    save_safetensors(out / "model.safetensors", tensors);
    const Loaded loaded(out.path);
    is_tied = loaded.config.tie_word_embeddings;
    return logits(*loaded.model);
  };
  const std::vector<double> before = logits(*Loaded(kind("tied")).model);
  bool is_tied = false;
  CHECK(apart(logits_with(tied.load(cpu(), table, DType::f32), true, is_tied), before) == 0);
  CHECK(is_tied);
  CHECK(apart(logits_with(tied.load(cpu(), table, DType::f32), false, is_tied), before) == 0);
  CHECK(is_tied);
  CHECK(apart(logits_with(own.load(cpu(), head, DType::f32), true, is_tied), before) > 1e-2);
  CHECK(!is_tied);
}

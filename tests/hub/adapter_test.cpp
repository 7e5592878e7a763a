// Adapters on models, with nothing but the library: attached, collected, saved, loaded and filled in.
#include "models/hub/adapter.h"

#include <doctest/doctest.h>

#include "models/vlm/family.h"
#include "tests/hub/tiny_models.h"

using namespace lowland;
using namespace lowland::test;

namespace {

const char* const kFiles[] = {"/adapter_config.json", "/adapter_model.safetensors", "/lowland.json", "/README.md"};

// A new adapter is trained, saved, and put on the base again: the same logits to the last bit, and the same files.
template <class Make>
void round_trip(const Make& make, const std::string& base, const HubFamily& family, const AdapterSettings& settings) {
  const Folder out;
  const auto trained = make(base);
  attach_adapter(*trained, settings, family);
  fill(*trained, base, family, 1);
  const std::vector<float> before = logits_of(*trained);
  disturb(*trained);
  const std::vector<float> after = logits_of(*trained);
  CHECK(after != before);
  const WeightMap weights = open_weights(base, family);
  save_adapter(out / "a", collect_adapter(*trained, settings, family, base_of(weights)));

  const LoadedAdapter adapter = load_adapter(out / "a", family.rename);
  check_base(adapter, base_of(weights));
  CHECK(adapter.config.base_model_name_or_path == base);
  CHECK(adapter.modules.size() == trained->adapters().size());
  const AdapterSettings back = settings_of(adapter);
  CHECK(back.rank == settings.rank);
  CHECK(back.alpha == settings.alpha);
  CHECK(back.dropout == settings.dropout);
  CHECK(back.rslora == settings.rslora);
  const auto again = make(base);
  attach_adapter(*again, back, family, &adapter);
  fill(*again, base, family, 2);
  CHECK(again->arena().slots().size() == trained->arena().slots().size());
  CHECK(logits_of(*again) != after);
  fill_adapter(*again, adapter);
  CHECK(logits_of(*again) == after);
  save_adapter(out / "b", collect_adapter(*again, back, family, base_of(weights)));
  for (const char* file : kFiles) CHECK(read_file(out / "a" + file) == read_file(out / "b" + file));
}

// What attach_adapter says of such settings.
template <class Make>
std::string refusal(const Make& make, const std::string& base, const HubFamily& family,
                    const AdapterSettings& settings) {
  const auto model = make(base);
  return complaint([&] { attach_adapter(*model, settings, family); });
}

std::vector<std::string> adapted(const nn::Model& model) {
  std::vector<std::string> modules;
  for (const nn::AdapterSpec& a : model.adapters()) modules.push_back(a.module);
  return modules;
}

}  // namespace

TEST_CASE("adapter: trained, saved and loaded again, a RoBERTa computes the same") {
  const std::string base = tiny("roberta_tiny");
  round_trip(tiny_roberta, base, roberta_family(), {});
  round_trip(tiny_roberta, base, roberta_family(), {.rank = 3, .alpha = 5, .rslora = true, .targets = "all-linear"});
  round_trip(tiny_roberta, base, roberta_family(),
             {.rank = 1, .dropout = 0.25, .targets = R"(.*layer\.1\..*dense)", .modules_to_save = "embeddings"});
}

TEST_CASE("adapter: trained, saved and loaded again, a BERT and a DistilBERT compute the same") {
  for (const char* type : {"bert", "distilbert"}) {
    const std::string base = tiny(std::string(type) + "_tiny");
    const HubFamily family = roberta_family(type);
    round_trip(tiny_roberta, base, family, {});
    round_trip(tiny_roberta, base, family, {.rank = 3, .alpha = 5, .targets = "all-linear"});
    round_trip(tiny_roberta, base, family,
               {.rank = 1, .targets = R"(.*layer\.1\..*(dense|lin\d))", .modules_to_save = "embeddings"});
  }
  round_trip(tiny_roberta, tiny("bert_tiny"), roberta_family("bert"), {.modules_to_save = "pooler"});
}

TEST_CASE("adapter: trained, saved and loaded again, a Llama computes the same") {
  for (const char* name : kLlamas) {
    const std::string base = tiny(name);
    const HubFamily family = llama_family(LlamaConfig::from_folder(base));
    round_trip(tiny_llama, base, family, {});
    round_trip(tiny_llama, base, family, {.rank = 5, .targets = "all-linear", .modules_to_save = "norm, down_proj"});
  }
}

TEST_CASE("adapter: trained, saved and loaded again, a GPT-2 computes the same") {
  const std::string base = tiny("gpt2_tiny");
  round_trip(tiny_gpt2, base, gpt2_family(), {});
  round_trip(tiny_gpt2, base, gpt2_family(),
             {.rank = 5, .targets = "all-linear", .modules_to_save = "ln_f, c_fc, wpe"});
}

TEST_CASE("adapter: what peft wrote is collected as peft wrote it") {
  const auto same = [](const auto& make, const std::string& base, const HubFamily& family) {
    const Folder out;
    const LoadedAdapter adapter = load_adapter(base + "/adapter");
    CHECK(!adapter.card);
    const auto model = make(base);
    attach_adapter(*model, settings_of(adapter), family, &adapter);
    fill(*model, base, family, 1);
    fill_adapter(*model, adapter);
    save_adapter(out / "a", collect_adapter(*model, settings_of(adapter), family, {}));
    CHECK(read_file(out / "a/adapter_model.safetensors") == read_file(base + "/adapter/adapter_model.safetensors"));
    const AdapterConfig ours = load_adapter(out / "a").config;
    CHECK(ours.task_type == adapter.config.task_type);
    CHECK(ours.r == adapter.config.r);
    CHECK(ours.lora_alpha == adapter.config.lora_alpha);
    CHECK(ours.modules_to_save == family.whole);
    CHECK(ours.fan_in_fan_out == adapter.config.fan_in_fan_out);
  };
  same(tiny_roberta, tiny("roberta_tiny"), roberta_family());
  same(tiny_roberta, tiny("bert_tiny"), roberta_family("bert"));
  same(tiny_roberta, tiny("distilbert_tiny"), roberta_family("distilbert"));
  for (const char* name : kLlamas) same(tiny_llama, tiny(name), llama_family());
  same(tiny_gpt2, tiny("gpt2_tiny"), gpt2_family());
}

TEST_CASE("adapter: pairs sit on the targets, but not on what is trained in full") {
  const auto roberta = tiny_roberta(tiny("roberta_tiny"));
  attach_adapter(*roberta, {.targets = "all-linear"}, roberta_family());
  CHECK(roberta->adapters().size() == 12);  // two layers of query, key, value and three called dense
  for (const std::string& module : adapted(*roberta)) CHECK(!is_within(module, {"classifier"}));
  for (const auto& p : roberta->parameters().all()) CHECK(p->trainable == is_within(p->name, {"classifier"}));

  const auto llama = tiny_llama(tiny("llama_tiny/llama"));
  attach_adapter(*llama, {.targets = "q_proj,o_proj", .modules_to_save = "o_proj"}, llama_family());
  CHECK(adapted(*llama) ==
        std::vector<std::string>{"model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"});
  CHECK(llama->parameters().all().size() > 4);
  for (const auto& p : llama->parameters().all()) CHECK(p->trainable == is_within(p->name, {"o_proj"}));

  CHECK(lora_config({.targets = ""}, llama_family()).targets("model.layers.0.self_attn.v_proj"));
  CHECK(!lora_config({.targets = ""}, llama_family()).targets("model.layers.0.self_attn.k_proj"));
}

TEST_CASE("adapter: what cannot be attached is told in one sentence") {
  const std::string base = tiny("roberta_tiny"), tied = tiny("llama_tiny/qwen2");
  CHECK(refusal(tiny_roberta, base, roberta_family(), {.targets = "q_proj"}) ==
        "--targets q_proj matches no linear module of the model (they are query, key, value, dense)");
  CHECK(refusal(tiny_roberta, base, roberta_family(), {.modules_to_save = "pooler"}) ==
        "--modules-to-save pooler: the model has no such module");
  CHECK(has(refusal(tiny_roberta, base, {}, {}), "no target modules are named"));
  CHECK(has(refusal(tiny_roberta, base, roberta_family(), {.rank = 0}), "rank must be at least 1"));
  CHECK(has(refusal(tiny_roberta, base, roberta_family(), {.alpha = 0}), "alpha must not be 0"));
  CHECK(refusal(tiny_llama, tied, llama_family(LlamaConfig::from_folder(tied)), {.modules_to_save = "embed_tokens"}) ==
        "--modules-to-save embed_tokens: the model's head is tied to it, and peft would part the two; "
        "--ensure-weight-tying trains them as one");
  CHECK(refusal(tiny_llama, tied, llama_family(), {.modules_to_save = "embed_tokens"}).empty());
}

TEST_CASE("adapter: what does not fit the model is told in one sentence") {
  const std::string base = tiny("roberta_tiny");
  LoadedAdapter adapter = load_adapter(base + "/adapter");
  const AdapterSettings settings = settings_of(adapter);
  const auto says = [&](const LoadedAdapter& other) {
    const auto model = tiny_roberta(base);
    attach_adapter(*model, settings, roberta_family(), &adapter);
    fill(*model, base, roberta_family(), 1);
    return complaint([&] { fill_adapter(*model, other); });
  };
  CHECK(says(adapter).empty());
  LoadedAdapter other = adapter;
  other.head.erase(other.head.begin());
  CHECK(says(other) ==
        base + "/adapter has no tensor classifier.dense.bias, which its modules_to_save or task head asks for");
  other = adapter;
  other.head.back().shape = {1, 96};
  CHECK(says(other) == base + "/adapter: classifier.out_proj.weight has shape (1,96), the model's is (3,32)");
  other = adapter;
  other.head.back().name = "score.weight";
  CHECK(says(other) == base + "/adapter: the model has no tensor score.weight");
  other = adapter;
  other.modules[0].module = "roberta.nowhere";
  CHECK(has(says(other), "has `roberta.nowhere`, which is not a linear layer of the model"));
  other = adapter;
  other.modules[0].rank = 2;
  CHECK(has(says(other), "has rank 2, not 3"));
}

TEST_CASE("adapter: a head is left out where it is not wanted") {
  const std::string base = tiny("roberta_tiny");
  const LoadedAdapter adapter = load_adapter(base + "/adapter");
  const auto model = tiny_roberta(base);
  attach_adapter(*model, settings_of(adapter), roberta_family(), &adapter);
  fill(*model, base, roberta_family(), 1);
  const std::string name = "classifier.dense.weight";
  const std::vector<float> own = model->parameters().find(name).to_vector<float>();
  fill_adapter(*model, adapter, false);
  CHECK(model->parameters().find(name).to_vector<float>() == own);
  fill_adapter(*model, adapter);
  CHECK(model->parameters().find(name).to_vector<float>() == adapter.find_head(name)->values);
}

TEST_CASE("adapter: nothing is collected from a perturbed model") {
  const std::string base = tiny("roberta_tiny");
  const auto model = tiny_roberta(base);
  attach_adapter(*model, {}, roberta_family());
  fill(*model, base, roberta_family(), 1);
  model->arena().want_perturbation(nn::Role::lora_b);
  const nn::PerturbedView view(model->arena());
  CHECK(has(complaint([&] { collect_adapter(*model, {}, roberta_family(), {}); }), "saving the adapter"));
}

TEST_CASE("adapter: nothing is collected with other settings than it was attached with") {
  const std::string base = tiny("roberta_tiny");
  const auto model = tiny_roberta(base);
  const AdapterSettings attached{.rank = 4, .alpha = 8, .targets = "query,dense"};
  attach_adapter(*model, attached, roberta_family());
  fill(*model, base, roberta_family(), 1);
  const auto says = [&](const AdapterSettings& settings, const HubFamily& family) {
    return complaint([&] { collect_adapter(*model, settings, family, {}); });
  };
  CHECK(says(attached, roberta_family()).empty());
  AdapterSettings other = attached;
  other.rank = 8;  // and the same scale
  other.alpha = 16;
  CHECK(has(says(other, roberta_family()), "layer.0.attention.self.query was attached with other settings"));
  other = attached;
  other.alpha = 16;
  CHECK(has(says(other, roberta_family()), "query was attached with other settings"));
  other.alpha = 8;
  other.targets = "dense";
  CHECK(has(says(other, roberta_family()), "query was attached with other settings"));
  other.targets = "query,key,dense";
  CHECK(has(says(other, roberta_family()), "key was attached with other settings"));
}

TEST_CASE("adapter: README.md counts the classes of a head without labels") {
  const std::string base = tiny("roberta_tiny");
  const Folder out;
  LoadedAdapter adapter = load_adapter(base + "/adapter");
  save_adapter(out / "a", adapter);
  CHECK(has(read_file(out / "a/README.md"), R"(num_labels=3,
    id2label={0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"},)"));
  adapter.card = AdapterCard{};
  adapter.card->labels = {"no", "yes", "perhaps"};
  save_adapter(out / "a", adapter);
  CHECK(has(read_file(out / "a/README.md"), R"(id2label={0: "no", 1: "yes", 2: "perhaps"},)"));
}

TEST_CASE("LLaVA's targets name modules of the parts that take pairs, and no others") {
  const std::string q = "model.language_model.layers.0.self_attn.q_proj";
  const std::string tower = "model.vision_tower.encoder.layers.0.self_attn.q_proj";
  const std::string projector = "model.multi_modal_projector.linear_1";
  const auto takes = [](const HubFamily& family, const std::string& targets, const std::string& module) {
    return lora_config({.targets = targets}, family).targets(module);
  };
  const HubFamily frozen = vlm_family(), wide = vlm_family({.tower = VlmPart::lora, .projector = VlmPart::lora});
  for (const std::string targets : {"", "q_proj", "all-linear"}) {
    CAPTURE(targets);
    CHECK(takes(frozen, targets, q));
    CHECK(!takes(frozen, targets, tower));
    CHECK(!takes(frozen, targets, projector));
    for (const std::string& module : {q, tower, projector}) CHECK(takes(wide, targets, module));
    CHECK(!takes(wide, targets, "lm_head"));
  }
  CHECK(frozen.targets_of("") == R"(.*language_model.*\.(q_proj|v_proj))");
  CHECK(frozen.targets_of(".*fc1") == ".*fc1");
  CHECK(wide.targets_of(wide.targets_of("k_proj")) == wide.targets_of("k_proj"));
  // An adapter's own targets mean what they say.
  CHECK(lora_config({.targets = "q_proj", .targets_as_is = true}, frozen).targets(tower));
  CHECK(frozen.whole.empty());
  CHECK(vlm_family({.tower = VlmPart::full, .projector = VlmPart::full}).whole ==
        std::vector<std::string>{"multi_modal_projector", "vision_tower"});
}

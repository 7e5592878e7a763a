#include <doctest/doctest.h>

#include <cmath>

#include "engine/io/safetensors_writer.h"
#include "models/hub/base_model.h"
#include "models/hub/write_adapter.h"
#include "tests/hub/hub_fixture.h"

using namespace lowland;
using namespace lowland::test;
namespace fs = std::filesystem;

namespace {

AdapterCard card() {
  AdapterCard c;
  c.task = "mnli";
  c.labels = {"entailment", "neu\"tral", "contradiction \xc3\xa9"};
  c.problem_type = "single_label_classification";
  c.max_length = 128;
  c.method_json = R"({"name":"eflat-lora","rho":0.05})";
  c.base_fingerprint = "0123456789abcdef";
  return c;
}

// adapter-seqcls with one change to its config.
std::string refusal(const std::string& key, const nlohmann::json& value) {
  const Folder folder;
  fs::copy(golden("adapter-seqcls"), folder.path, fs::copy_options::recursive);
  nlohmann::json config = nlohmann::json::parse(read_file(folder / "adapter_config.json"));
  config[key] = value;
  write_file_atomically(folder / "adapter_config.json", config.dump());
  return complaint([&] { load_adapter(folder.path); });
}

// adapter-seqcls with one tensor renamed, and one added.
std::string refusal_of_tensor(const std::string& rename, const std::string& to) {
  const Folder folder;
  fs::copy(golden("adapter-seqcls"), folder.path, fs::copy_options::recursive);
  const SafetensorsFile file(folder / "adapter_model.safetensors");
  std::vector<NamedTensor> tensors;
  for (const TensorInfo& t : file.tensors()) {
    const std::string name = t.name == rename ? to : t.name;
    if (!name.empty()) tensors.emplace_back(name, file.load(cpu(), t.name, DType::f32));
  }
  save_safetensors(folder / "adapter_model.safetensors", tensors);
  return complaint([&] { load_adapter(folder.path); });
}

std::vector<LinearModule> modules_of(const LoadedAdapter& adapter) {
  std::vector<LinearModule> modules;
  for (const LoraFactors& f : adapter.modules) modules.push_back({f.module, f.in, f.out});
  return modules;
}

}  // namespace

TEST_CASE("peft: adapters that peft wrote have the products, ranks and scales that peft computes") {
  CHECK(expected().at("adapters").size() == 3);
  for (const auto& [name, values] : expected().at("adapters").items()) {
    const LoadedAdapter adapter = load_adapter(golden(name));
    CHECK(adapter.modules.size() == values["modules"].size());
    for (const auto& [module, value] : values["modules"].items()) {
      const LoraFactors* f = adapter.find(module);
      REQUIRE(f != nullptr);
      CHECK(f->rank == value["r"].get<int64_t>());
      CHECK(std::abs(f->scale - value["scale"].get<double>()) < 1e-12);
      double sum = 0, square = 0;
      for (int64_t o = 0; o < f->out; ++o) {
        for (int64_t i = 0; i < f->in; ++i) {
          double d = 0;
          for (int64_t r = 0; r < f->rank; ++r) {
            d += static_cast<double>(f->b[o * f->rank + r]) * static_cast<double>(f->a[r * f->in + i]);
          }
          sum += f->scale * d;
          square += f->scale * d * f->scale * d;
        }
      }
      CHECK(std::abs(sum - value["delta_sum"].get<double>()) < 1e-4);  // peft's product is in f32
      CHECK(std::abs(std::sqrt(square) - value["delta_norm"].get<double>()) < 1e-5);
    }
  }
  const LoadedAdapter seqcls = load_adapter(golden("adapter-seqcls"));
  CHECK(seqcls.head.size() == 4);
  CHECK(seqcls.find_head("classifier.out_proj.bias")->shape == Shape{3});
  CHECK(seqcls.config.modules_to_save == std::vector<std::string>{"classifier", "score"});
  CHECK(load_adapter(golden("adapter-mlm")).config.base_model_class == "RobertaForMaskedLM");
}

TEST_CASE("peft: what is written reads back, with exactly the agreed keys") {
  for (const char* name : {"adapter-seqcls", "adapter-patterns", "adapter-mlm"}) {
    const Folder folder;
    const std::string out = folder / "adapter";
    LoadedAdapter adapter = load_adapter(golden(name));
    CHECK(!adapter.card);
    adapter.card = card();
    save_adapter(out, adapter);
    save_adapter(out, adapter);  // replaces
    const LoadedAdapter back = load_adapter(out);
    CHECK(back.card->to_json() == card().to_json());
    CHECK(back.modules.size() == adapter.modules.size());
    CHECK(read_file(out + "/adapter_model.safetensors") == read_file(golden(name) + "/adapter_model.safetensors"));
    std::vector<std::string> keys{"alpha_pattern",
                                  "base_model_name_or_path",
                                  "bias",
                                  "fan_in_fan_out",
                                  "inference_mode",
                                  "init_lora_weights",
                                  "lora_alpha",
                                  "lora_dropout",
                                  "modules_to_save",
                                  "peft_type",
                                  "r",
                                  "rank_pattern",
                                  "revision",
                                  "target_modules",
                                  "task_type",
                                  "use_dora",
                                  "use_rslora"};
    if (name == std::string("adapter-mlm")) keys.insert(keys.begin() + 1, "auto_mapping");
    const std::string text = read_file(out + "/adapter_config.json");
    CHECK(has(text, "{\n  \"alpha_pattern\": {"));
    std::vector<std::string> found;
    const auto config = nlohmann::ordered_json::parse(text);
    for (const auto& [key, value] : config.items()) found.push_back(key);
    CHECK(found == keys);
    CHECK(std::distance(fs::directory_iterator(out), {}) == 4);
    check_adapter_fits(back, modules_of(adapter));
  }
}

TEST_CASE("peft: all-linear is written as sorted full names, whole alphas as integers") {
  const Folder folder;
  LoadedAdapter adapter = load_adapter(golden("adapter-seqcls"));
  adapter.config.target_modules = ModuleTargets::from_flag("all-linear");
  adapter.config.lora_alpha = 16;
  save_adapter(folder / "a", adapter);
  const auto config = nlohmann::json::parse(read_file(folder / "a/adapter_config.json"));
  CHECK(config["target_modules"][0] == "roberta.encoder.layer.0.attention.self.query");
  CHECK(config["target_modules"].size() == 4);
  CHECK(config["lora_alpha"].is_number_integer());
  adapter.head.clear();
  CHECK(has(complaint([&] { save_adapter(folder / "a", adapter); }), "a SEQ_CLS adapter needs the head's tensors"));
  adapter = load_adapter(golden("adapter-seqcls"));
  adapter.modules[0].module = "roberta.nowhere";
  CHECK(has(complaint([&] { save_adapter(folder / "a", adapter); }), "is not one of the target_modules"));
  CHECK(load_adapter(folder / "a").modules.size() == 4);  // what was there is still whole
}

TEST_CASE("peft: settings that are not computed are refused by name") {
  CHECK(refusal("r", 4) == "");
  CHECK(refusal("lora_alpha", 8.0) == "");
  CHECK(refusal("runtime_config", nlohmann::json::object()) == "");
  for (const char* key : {"lora_bias", "use_qalora"}) CHECK(has(refusal(key, true), std::string(key) + " is true"));
  CHECK(refusal("bias", "lora_only") == "");  // peft's older files hold none of them
  CHECK(has(refusal("bias", "some"), "bias is some, which is none of none, lora_only and all"));
  CHECK(has(refusal("trainable_token_indices", {1, 2}), "has no rows for its trainable_token_indices"));
  CHECK(has(refusal("trainable_token_indices", {1, 1}), "names a token twice"));
  CHECK(has(refusal("target_parameters", {"w"}), "target_parameters is set"));
  CHECK(has(refusal("layer_replication", {{0, 1}}), "layer_replication is set"));
  for (const char* init : {"pissa", "pissa_niter_4", "olora", "corda"}) {
    CHECK(has(refusal("init_lora_weights", init), std::string("init_lora_weights is ") + init));
  }
  CHECK(refusal("init_lora_weights", "gaussian") == "");
  CHECK(has(refusal("peft_type", "LOHA"), "peft_type is LOHA, not LORA"));
  CHECK(has(refusal("task_type", "MASKED_LM"), "task_type is MASKED_LM, which peft does not know"));
  CHECK(refusal("target_modules", nullptr) == "");  // then they are those of the tensors
  CHECK(refusal("fan_in_fan_out", true) == "");     // of no effect on linear layers
  CHECK(has(refusal("target_modules", "*("), "is not a regular expression"));
}

TEST_CASE("peft: tensors and config must agree, and every tensor must be understood") {
  const std::string layer = "base_model.model.roberta.encoder.layer.0.attention.self.query";
  CHECK(has(refusal("r", 8), "has rank 4, but 8 by adapter_config.json"));
  CHECK(has(refusal("rank_pattern", {{"layer.0.attention.self.value", 2}}), "has rank 4, but 2"));
  CHECK(has(refusal("target_modules", {"query"}), "value` is not one of the target_modules"));
  CHECK(has(refusal("exclude_modules", {"value"}), "value` is not one of the target_modules"));
  CHECK(has(refusal("layers_to_transform", {0}), "layer.1.attention.self.query` is not one of the target_modules"));
  CHECK(refusal("layers_to_transform", {0, 1}) == "");
  CHECK(has(refusal_of_tensor(layer + ".lora_A.weight", ""), "has no lora_A"));
  CHECK(has(refusal_of_tensor(layer + ".lora_B.weight", ""), "has no lora_B"));
  CHECK(has(refusal_of_tensor(layer + ".lora_B.weight", layer + ".lora_B.bias"), "lora_bias"));
  CHECK(has(refusal_of_tensor(layer + ".lora_B.weight", layer + ".lora_magnitude_vector"), "not one dimension"));
  CHECK(has(refusal("use_dora", true), "has no lora_magnitude_vector, but use_dora is true"));
  CHECK(has(refusal_of_tensor(layer + ".lora_B.weight", layer + ".lora_embedding_B"), "an embedding"));
  CHECK(has(refusal_of_tensor(layer + ".lora_B.weight", "roberta.lora_B.weight"),
            "does not begin with base_model.model."));
  CHECK(has(refusal_of_tensor(layer + ".lora_B.weight", layer + ".weight"), "is neither a LoRA factor"));
}

TEST_CASE("peft: the adapter must fit the model") {
  const LoadedAdapter adapter = load_adapter(golden("adapter-seqcls"));
  std::vector<LinearModule> model = modules_of(adapter);
  model.push_back({"classifier.dense", 16, 16});
  check_adapter_fits(adapter, model);
  std::vector<LinearModule> wide = model;
  wide[0].in = 32;
  CHECK(has(complaint([&] { check_adapter_fits(adapter, wide); }), "it belongs to another base"));
  std::vector<LinearModule> more = model;
  more.push_back({"roberta.encoder.layer.2.attention.self.query", 16, 16});
  CHECK(has(complaint([&] { check_adapter_fits(adapter, more); }), "has no factors for `roberta.encoder.layer.2"));
  model.erase(model.begin());
  CHECK(has(complaint([&] { check_adapter_fits(adapter, model); }), "is not a linear layer of the model"));
}

TEST_CASE("peft: folders that are not adapters") {
  const Folder folder;
  CHECK(complaint([&] { load_adapter(folder / "none"); }) == "there is no adapter folder " + (folder / "none"));
  CHECK(has(complaint([&] { load_adapter(folder.path); }), "it is not a peft adapter folder"));
  fs::create_directories(folder / "other");
  fs::copy(golden("adapter-seqcls"), folder / "other");
  CHECK(has(complaint([&] { load_adapter(folder.path); }), "did you mean " + (folder / "other") + "?"));
  fs::remove(folder / "other/adapter_model.safetensors");
  CHECK(complaint([&] { load_adapter(folder / "other"); }) ==
        (folder / "other") + " has neither adapter_model.safetensors nor adapter_model.bin");
}

TEST_CASE("peft: target matching") {
  const std::string query = "roberta.encoder.layer.0.attention.self.query";
  const auto matches = [&](const std::string& flag) { return matches_target(query, ModuleTargets::from_flag(flag)); };
  CHECK(matches("query"));
  CHECK(matches("key, query"));
  CHECK(matches("self.query"));
  CHECK(matches(query));
  CHECK(!matches("uery"));
  CHECK(!matches("self"));
  CHECK(matches("all-linear"));
  CHECK(matches(R"(.*layer\.\d+\.attention\.self\.(query|value))"));
  CHECK(!matches(R"(layer\.\d+\.attention\.self\.query.*)"));  // full match
  CHECK(!matches(".*quer"));
  CHECK(has(complaint([] { ModuleTargets::from_flag("a(b"); }), "`a(b` is not a regular expression"));
  CHECK(has(complaint([] { ModuleTargets::from_flag(" ,"); }), "no target modules are named"));
  CHECK(is_within("classifier.dense", {"classifier"}));
  CHECK(is_within("model.score", {"score"}));
  CHECK(!is_within("classifiers.dense", {"classifier"}));
  CHECK(find_pattern(query, {"value", "self.query"}) == 1);
  CHECK(find_pattern(query, {"elf.query"}) == -1);
}

TEST_CASE("adapter card: there and back; another base is refused by name") {
  const AdapterCard c = card(), back = AdapterCard::from_json(c.to_json(), "F");
  CHECK(back.to_json() == c.to_json());
  CHECK(back.labels == c.labels);
  CHECK(back.max_length == 128);
  LoadedAdapter adapter;
  adapter.folder = "A";
  check_base(adapter, {"M", "", "fedc"});  // another program's
  adapter.card = c;
  check_base(adapter, {"M", "", "0123456789abcdef"});
  CHECK(complaint([&] {
          check_base(adapter, {"M", "", "fedc"});
        }) == "the adapter A was trained on another base than M (fingerprint 0123456789abcdef, not fedc)");
  CHECK(has(complaint([] { AdapterCard::from_json(R"({"format":2})", "F"); }), "format is newer"));
  CHECK(!read_adapter_card(golden("adapter-seqcls")));
  CHECK(base_model_name("", "/x/hub/models--acme--tiny/snapshots/abc/") == "acme/tiny");
  CHECK(base_model_name("", "/x/y/") == "/x/y");
  const Folder folder;
  CHECK(base_model_name("", folder.path) == folder.path);
  write_file_atomically(folder / "config.json", R"({"_name_or_path":"config"})");
  CHECK(base_model_name("", folder.path) == "config");
  CHECK(base_model_name("flag", folder.path) == "flag");
}

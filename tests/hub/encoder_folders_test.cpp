// Folders of BERT and DistilBERT: their configurations, their names in files, and folders without a head.
#include <doctest/doctest.h>

#include "models/hub/merge.h"
#include "models/hub/write_model.h"
#include "tests/hub/tiny_models.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::json;

namespace {

const char* const kTypes[] = {"bert", "distilbert"};

std::string folder_of(const std::string& type) { return tiny(type + "_tiny"); }

// The weights of `from` under names that `rename` gives (empty: left out), with its config.json.
void copy_renamed(const std::string& from, const std::string& to,
                  const std::function<std::string(const std::string&)>& rename) {
  WeightMap weights(from);
  std::vector<NamedTensor> tensors;
  for (const std::string& name : weights.names())
    if (const std::string now = rename(name); !now.empty())
      tensors.emplace_back(now, weights.load(cpu(), name, DType::f32));
  std::filesystem::create_directories(to);
  write_model_files(to, read_file(from + "/config.json"), tensors);
}

bool is_head(const std::string& name) { return has(name, "classifier."); }

// Without the prefix that all tensors but the head's have; the head's are left out.
std::string bare(const std::string& name) { return is_head(name) ? "" : name.substr(name.find('.') + 1); }

}  // namespace

TEST_CASE("BERT, DistilBERT: configurations by their own keys, defaults, and back") {
  const RobertaConfig bert = RobertaConfig::from_json(R"({"model_type":"bert","pad_token_id":null})", "F");
  CHECK(bert.vocab_size == 30522);
  CHECK(bert.num_hidden_layers == 12);
  CHECK(bert.max_tokens() == 512);
  CHECK(bert.first_position() == 0);
  CHECK(bert.head_dropout() == 0.1);
  CHECK(bert.notes.empty());
  const RobertaConfig distil = RobertaConfig::from_json(R"({"model_type":"distilbert"})", "F");
  CHECK(distil.num_hidden_layers == 6);
  CHECK(distil.intermediate_size == 3072);
  CHECK(distil.max_tokens() == 512);
  CHECK(distil.head_dropout() == 0.2);
  for (const char* type : kTypes) {
    const RobertaConfig tiny = RobertaConfig::from_folder(folder_of(type));
    CHECK(tiny.notes.empty());
    CHECK(tiny.hidden_size == 16);
    CHECK(tiny.num_attention_heads == 2);
    CHECK(tiny.intermediate_size == 24);
    CHECK(tiny.num_labels == 3);
    CHECK(json::parse(tiny.to_json()) == json::parse(read_file(folder_of(type) + "/config.json")));
    RobertaConfig fresh = tiny;
    fresh.source.clear();
    CHECK(RobertaConfig::from_json(fresh.to_json(), "again").own_json() == tiny.own_json());
  }
}

TEST_CASE("BERT, DistilBERT: what is not computed is refused by the file's own key") {
  const auto says = [](const std::string& type, const std::string& more) {
    return complaint([&] { RobertaConfig::from_json("{\"model_type\":\"" + type + "\"," + more + "}", "F"); });
  };
  CHECK(says("bert", R"("hidden_act":"gelu_new")") == "F: hidden_act is gelu_new; only gelu is supported");
  CHECK(says("bert", R"("is_decoder":true)") == "F: is_decoder is true, which is not supported");
  CHECK(says("distilbert", R"("activation":"relu")") == "F: activation is relu; only gelu is supported");
  CHECK(says("distilbert", R"("dim":100)") == "F: dim is 100, not a multiple of n_heads, 12");
  CHECK(says("distilbert", R"("n_layers":0)") == "F: n_layers is 0");
  CHECK(says("distilbert", R"("seq_classif_dropout":1)") == "F: seq_classif_dropout is 1, outside [0, 1)");
  CHECK(says("distilbert", R"("n_layers":1000000)") != "");
}

TEST_CASE("BERT, DistilBERT: a folder of the bare encoder is the same model, with a new head") {
  for (const char* type : kTypes) {
    const Folder out;
    const std::string whole = folder_of(type);
    copy_renamed(whole, out / "bare", bare);
    const HubFamily family = roberta_family(type);
    const auto a = tiny_roberta(whole), b = tiny_roberta(out / "bare"), c = tiny_roberta(out / "bare");
    fill(*a, whole, family, 1);
    fill(*b, out / "bare", family, 1);
    c->materialise(cpu(), DType::f32);
    const LoadReport report = load_weights(*c, out / "bare", 1);
    CHECK(report.unused.empty());
    for (const std::string& name : report.fresh) CHECK(is_head(name));
    CHECK(report.fresh.size() == (family.whole.size() * 2));
    for (const auto& [name, tensor] : a->parameters().named())
      CHECK((tensor.to_vector<float>() == b->parameters().find(name).to_vector<float>()) == !is_head(name));
  }
}

TEST_CASE("BERT: without its pooler only what trains one takes the folder, and a merged folder has it") {
  const Folder out;
  const std::string base = out / "base";
  copy_renamed(folder_of("bert"), base, [](const std::string& name) { return has(name, "pooler") ? "" : bare(name); });
  const HubFamily family = roberta_family("bert");
  const auto plain = tiny_roberta(base);
  attach_adapter(*plain, {}, family);
  CHECK(complaint([&] { fill(*plain, base, family, 1); }) ==
        base +
            " has no tensor `bert.pooler.dense.weight`, which the head of a classifier reads: --modules-to-save "
            "pooler trains a new one");
  const AdapterSettings settings{.modules_to_save = "pooler"};
  const auto trained = tiny_roberta(base);
  attach_adapter(*trained, settings, family);
  fill(*trained, base, family, 1);
  disturb(*trained);
  save_adapter(out / "a", collect_adapter(*trained, settings, family, base_of(open_weights(base, family))));
  merge_adapter(base, out / "a", out / "m", family);
  const auto merged = tiny_roberta(out / "m");
  fill(*merged, out / "m", family, 1);
  const std::vector<float> one = logits_of(*trained), other = logits_of(*merged);
  for (size_t i = 0; i < one.size(); ++i) CHECK(std::abs(one[i] - other[i]) <= 1e-5);
}

#include <doctest/doctest.h>

#include <cmath>

#include "models/hub/base_model.h"
#include "models/hub/hub_folder.h"
#include "models/hub/write_model.h"
#include "models/roberta/config.h"
#include "tests/hub/hub_fixture.h"

using namespace lowland;
using namespace lowland::test;
namespace fs = std::filesystem;

TEST_CASE("hub folder: every tensor of every golden folder has the values that Python reads") {
  CHECK(expected().at("folders").size() == 7);
  for (const auto& [folder, tensors] : expected().at("folders").items()) {
    WeightMap weights(golden(folder), "roberta");
    CHECK(weights.names().size() == tensors.size());
    for (const auto& [name, value] : tensors.items()) {
      const std::string today = weights.canonical(name);
      const TensorInfo& info = weights.info(today);
      if (info.dtype == "I64") continue;
      const Tensor x = weights.load(cpu(), today, DType::f64);
      double sum = 0;
      for (const double v : x.to_vector<double>()) sum += v;
      CHECK(x.numel() == value["n"].get<int64_t>());
      CHECK(x.data<double>()[0] == value["first"].get<double>());
      CHECK(x.data<double>()[x.numel() - 1] == value["last"].get<double>());
      CHECK(std::abs(sum - value["sum"].get<double>()) <= 1e-12 * static_cast<double>(x.numel()));
    }
  }
}

TEST_CASE("hub folder: shards, half precision, old names and the bare encoder give the same model") {
  const std::string query = "roberta.encoder.layer.1.attention.self.query.weight";
  const std::string norm = "roberta.encoder.layer.0.output.LayerNorm.weight";
  WeightMap single(golden("seqcls-f32"), "roberta"), sharded(golden("seqcls-sharded"), "roberta");
  WeightMap old(golden("old-names"), "roberta"), bare(golden("bare"), "roberta");
  CHECK(sharded.files().size() == 3);
  CHECK(single.names() == sharded.names());
  for (const std::string& name : single.names()) {
    const Tensor a = single.load(cpu(), name, DType::f32);
    for (WeightMap* other : {&sharded, &old}) {
      CHECK(other->load(cpu(), name, DType::f32).to_vector<float>() == a.to_vector<float>());
    }
  }
  CHECK(old.unused() == std::vector<std::string>{"roberta.embeddings.position_ids"});
  CHECK(bare.contains(query));
  CHECK(bare.contains(norm));
  CHECK(!bare.contains("encoder.layer.0.output.LayerNorm.weight"));
  CHECK(bare.contains("roberta.pooler.dense.weight"));
  CHECK(is_ignorable_weight("roberta.pooler.dense.weight"));
  WeightMap half(golden("seqcls-f16"), "roberta");
  CHECK(half.info(query).dtype == "F16");
  CHECK(!half.borrow(cpu(), query, DType::f32));
  CHECK(single.borrow(cpu(), query, DType::f32));
}

TEST_CASE("hub folder: unused and missing tensors are named") {
  WeightMap weights(golden("mlm"), "roberta");
  for (const std::string& name : weights.names()) {
    if (name.rfind("roberta.", 0) == 0) weights.load(cpu(), name, DType::f32);
  }
  CHECK(weights.unused().size() == 5);
  CHECK(has(weights.unused_message(),
            "5 tensors of " + golden("mlm") + " are not used: lm_head.bias, lm_head.dense.bias"));
  CHECK(complaint([&] { weights.info("classifier.dense.weight"); }) ==
        golden("mlm") + " has no tensor `classifier.dense.weight`, which its config.json asks for (it has 42 tensors)");
}

TEST_CASE("hub folder: broken folders are refused in one sentence") {
  const Folder folder;
  const auto open = [&] { return complaint([&] { WeightMap weights(folder.path, "roberta"); }); };
  CHECK(open() ==
        folder.path + " has no weights: neither model.safetensors nor pytorch_model.bin, nor the index.json of either");
  const std::string index = folder / "model.safetensors.index.json";
  put(index, "[]");
  CHECK(has(open(), "is not an index of weights"));
  put(index, R"({"weight_map":{"w":"../secret"}})");
  CHECK(has(open(), "`../secret`, which is not a file of the same folder"));
  put(index, R"({"weight_map":{"w":"model-1.safetensors"}})");
  CHECK(open() == index + " names model-1.safetensors, which is not there (1 of 1 files): was the download cut off?");
  save_safetensors(folder / "model-1.safetensors", {{"v", Tensor::zeros(cpu(), {1}, DType::f32)}});
  CHECK(has(open(), "says that tensor `w` is in model-1.safetensors, which does not have it"));
}

TEST_CASE("hub folder: a model is found as a folder, then in the cache") {
  const Folder home;
  const Variable cache("HF_HOME", home.path);
  CHECK(resolve_model_folder(golden("mlm")) == golden("mlm"));
  CHECK(has(complaint([&] { resolve_model_folder(home.path); }), "has no config.json"));
  CHECK(has(complaint([&] { resolve_model_folder("/no/such"); }), "hf download ORG/NAME --local-dir /no/such"));
  CHECK(has(complaint([&] { resolve_model_folder("acme/tiny"); }), "hf download acme/tiny --local-dir tiny"));
  put(home / "hub/models--acme--tiny/snapshots/aaa/config.json");
  CHECK(resolve_model_folder("acme/tiny") == home / "hub/models--acme--tiny/snapshots/aaa");
  put(home / "hub/models--acme--tiny/snapshots/bbb/config.json");
  put(home / "hub/models--acme--tiny/refs/main", "aaa\n");
  CHECK(resolve_model_folder("acme/tiny") == home / "hub/models--acme--tiny/snapshots/aaa");
  put(home / "hub/models--FacebookAI--roberta-tiny/snapshots/c/config.json");
  CHECK(resolve_model_folder("roberta-tiny") == home / "hub/models--FacebookAI--roberta-tiny/snapshots/c");
}

TEST_CASE("hub folder: the fingerprint tells bases apart, and not their shards") {
  const auto of = [](const std::string& name) { return fingerprint(WeightMap(golden(name), "roberta")); };
  CHECK(of("seqcls-f32").size() == 16);
  CHECK(of("seqcls-f32") == of("seqcls-sharded"));
  CHECK(of("seqcls-f32") == of("old-names"));
  CHECK(of("seqcls-f32") != of("seqcls-f16"));
  CHECK(of("seqcls-f16") != of("seqcls-bf16"));
  CHECK(of("mlm") != of("bare"));
  // One number of a long tensor, at its start, in its middle or at its end.
  const auto changed = [](int64_t at) {
    const Folder folder;
    const Tensor w = Tensor::zeros(cpu(), {1000}, DType::f32);
    if (at >= 0) w.data<float>()[at] = 1;
    save_safetensors(folder / "model.safetensors", {{"roberta.w", w}});
    return fingerprint(WeightMap(folder.path, "roberta"));
  };
  for (const int64_t at : {0, 500, 999}) CHECK(changed(at) != changed(-1));
}

TEST_CASE("hub folder: a folder written here equals the one that transformers wrote") {
  const Folder folder;
  for (const char* name : {"seqcls-f32", "seqcls-bf16"}) {
    WeightMap weights(golden(name), "roberta");
    std::vector<NamedTensor> tensors;
    for (const std::string& n : weights.names()) {
      tensors.emplace_back(n, weights.load(cpu(), n, name == std::string("seqcls-f32") ? DType::f32 : DType::bf16));
    }
    const RobertaConfig config = RobertaConfig::from_folder(golden(name));
    write_model_files(folder.path, config.to_json(), tensors);
    CHECK(read_file(folder / "model.safetensors") == read_file(golden(name) + "/model.safetensors"));
    fs::remove(folder / "model.safetensors");
    write_model_files(folder.path, config.to_json(), tensors, 12'000);
    const WeightMap sharded(folder.path, "roberta");
    CHECK(sharded.files().size() >= 2);
    CHECK(fingerprint(sharded) == fingerprint(weights));
    fs::remove(folder / "model.safetensors.index.json");
  }
}

TEST_CASE("RobertaConfig: defaults, both spellings, and back") {
  const RobertaConfig tiny = RobertaConfig::from_folder(golden("seqcls-f32"));
  CHECK(tiny.hidden_size == 16);
  CHECK(tiny.max_tokens() == 38);
  CHECK(tiny.labels == std::vector<std::string>{"entailment", "neutral", "contradiction"});
  CHECK(tiny.has_own_labels());
  CHECK(tiny.dtype == "float32");
  CHECK(!tiny.classifier_dropout);
  CHECK(tiny.head_dropout() == 0.1);
  const RobertaConfig back = RobertaConfig::from_json(tiny.to_json(), "again");
  CHECK(back.to_json() == tiny.to_json());
  CHECK(back.dtype == "float32");
  CHECK(has(tiny.to_json(), R"("dtype": "float32")"));  // in the file's own words
  RobertaConfig fresh = tiny;
  fresh.source.clear();
  CHECK(has(fresh.to_json(), R"("torch_dtype": "float32")"));
  CHECK(RobertaConfig::from_json(fresh.to_json(), "again").own_json() == tiny.own_json());
  const RobertaConfig bare =
      RobertaConfig::from_json(R"({"model_type":"roberta","num_labels":3,"classifier_dropout":0.2})", "f");
  CHECK(bare.vocab_size == 50265);
  CHECK(bare.max_position_embeddings == 512);
  CHECK(bare.type_vocab_size == 2);
  CHECK(bare.layer_norm_eps == 1e-12);
  CHECK(bare.labels == std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"});
  CHECK(!bare.has_own_labels());
  CHECK(bare.head_dropout() == 0.2);
  CHECK(RobertaConfig::from_json(R"({"model_type":"xlm-roberta"})", "f").vocab_size == 30522);
}

TEST_CASE("RobertaConfig: what is not computed is refused by name") {
  const auto says = [](const std::string& more) {
    return complaint([&] { RobertaConfig::from_json(R"({"model_type":"roberta",)" + more + "}", "F"); });
  };
  CHECK(complaint([] { RobertaConfig::from_json(R"({"model_type":"electra"})", "F"); }) ==
        "F: model_type is electra, not roberta, bert or distilbert (nor xlm-roberta or camembert, RoBERTa's network)");
  CHECK(says(R"("hidden_act":"relu")") == "F: hidden_act is relu; only gelu is supported");
  CHECK(says(R"("position_embedding_type":"relative_key")") ==
        "F: position_embedding_type is relative_key; only absolute is supported");
  CHECK(says(R"("is_decoder":true)") == "F: is_decoder is true, which is not supported");
  CHECK(says(R"("pad_token_id":null)") == "F: pad_token_id is null: positions are counted from it");
  CHECK(says(R"("hidden_size":"x")") == "F: hidden_size is \"x\", not a number");
  CHECK(says(R"("hidden_size":100)") == "F: hidden_size is 100, not a multiple of num_attention_heads, 12");
  CHECK(says(R"("num_hidden_layers":2.5)") == "F: num_hidden_layers is 2.5, not a whole number");
  CHECK(says(R"("max_position_embeddings":2)") == "F: max_position_embeddings is 2, which leaves room for no token");
  CHECK(says(R"("hidden_dropout_prob":1)") == "F: hidden_dropout_prob is 1, outside [0, 1)");
  CHECK(says(R"("id2label":{"0":"a","2":"b"})") == "F: id2label has 2 ids, but not 0 to 1");
  CHECK(says(R"("problem_type":"ranking")") == "F: problem_type is ranking, which transformers does not know");
  CHECK(complaint([] { RobertaConfig::from_json("[", "F"); }) == "F:1: not valid JSON (is the file cut off?)");
  CHECK(complaint([] { RobertaConfig::from_json("{\n\"a\": 1,\n,\n}", "F"); }) == "F:3: not valid JSON");
}

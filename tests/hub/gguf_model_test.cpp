// GGUF files as models: those that tests/golden/make_gguf_golden.py wrote with the gguf package, by its names and as
// llama.cpp's converter orders rows, are the folders that they were made of.
#include "models/gguf/gguf_model.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "engine/io/gguf_writer.h"
#include "models/chat/chat_template.h"
#include "models/gguf/architecture.h"
#include "models/gguf/pre_tokenizers.h"
#include "models/hub/generation_config.h"
#include "models/hub/hub_folder.h"
#include "models/tokenizers/tokenizer.h"
#include "tests/hub/tiny_models.h"

using namespace lowland;
using namespace lowland::test;
namespace fs = std::filesystem;

namespace {

std::string gguf(const std::string& name) { return std::string(LL_SOURCE_DIR) + "/tests/golden/gguf/" + name; }

constexpr const char* kNames[] = {"llama", "qwen2", "qwen3", "phi3", "gemma2", "gemma3"};

const std::vector<std::string>& texts() {
  static const std::vector<std::string> all = {"Hello world",
                                               "The quick brown fox's 1234 lines\n\n  and more",
                                               " leading",
                                               "naïve café 日本語 🦊",
                                               "it's\tthe end.\r\n",
                                               "",
                                               "<s> </s> <|end_of_text|>x",
                                               "a  b   c"};
  return all;
}

}  // namespace

TEST_CASE("gguf models: every tensor is the folder's, under its name") {
  for (const char* name : kNames) {
    CAPTURE(name);
    const LlamaConfig config = LlamaConfig::from_folder(gguf(name) + ".gguf");
    const HubFamily family = llama_family(config);
    WeightMap got = open_weights(gguf(name) + ".gguf", family);
    WeightMap wanted = open_weights(tiny("llama_tiny/") + name, family);
    CHECK(got.names() == wanted.names());
    for (const std::string& tensor : wanted.names()) {
      CAPTURE(tensor);
      const std::vector<float> a = got.load(cpu(), tensor, DType::f32).to_vector<float>(),
                               b = wanted.load(cpu(), tensor, DType::f32).to_vector<float>();
      const bool half = got.info(tensor).dtype == "F16";
      const bool shifted = config.kind().plus_one && tensor.find("norm.") != std::string::npos;
      REQUIRE(a.size() == b.size());
      for (size_t i = 0; i < a.size(); ++i)
        CHECK(std::abs(a[i] - b[i]) <= (half ? 0x1p-11F * std::abs(b[i]) + 0x1p-24F : shifted ? 0x1p-23F : 0));
    }
  }
}

TEST_CASE("gguf models: metadata give the folder's configuration") {
  for (const char* name : kNames) {
    CAPTURE(name);
    const LlamaConfig a = LlamaConfig::from_folder(gguf(name) + ".gguf"),
                      b = LlamaConfig::from_folder(tiny("llama_tiny/") + name);
    CHECK(a.model_type == b.model_type);
    CHECK(a.vocab_size == b.vocab_size);
    CHECK(a.hidden_size == b.hidden_size);
    CHECK(a.intermediate_size == b.intermediate_size);
    CHECK(a.num_hidden_layers == b.num_hidden_layers);
    CHECK(a.num_attention_heads == b.num_attention_heads);
    CHECK(a.num_key_value_heads == b.num_key_value_heads);
    CHECK(a.head_dim == b.head_dim);
    CHECK(a.max_position_embeddings == b.max_position_embeddings);
    CHECK(a.rms_norm_eps == b.rms_norm_eps);
    CHECK(a.rope_theta == b.rope_theta);
    CHECK(a.rotary_dim() == b.rotary_dim());
    CHECK(a.tie_word_embeddings == b.tie_word_embeddings);
    CHECK(a.qkv_bias == b.qkv_bias);
    CHECK(a.output_bias == b.output_bias);
    CHECK(a.mlp_bias == b.mlp_bias);
    CHECK(a.final_logit_softcapping == b.final_logit_softcapping);
    CHECK(a.attn_logit_softcapping == b.attn_logit_softcapping);
    CHECK(a.bos_token_id == b.bos_token_id);
    CHECK(a.pad_token_id == b.pad_token_id);
    if (a.kind().gelu || a.model_type == "phi3") CHECK(a.sliding_window == b.sliding_window);
    CHECK(a.notes.empty());
    const std::vector<float> f = rope_frequencies(a, 90), g = rope_frequencies(b, 90);
    REQUIRE(f.size() == g.size());
    for (size_t i = 0; i < f.size(); ++i) CHECK(std::abs(f[i] / g[i] - 1) < 1e-6F);
    CHECK(std::abs(a.rope_scaling.attention_factor - b.rope_scaling.attention_factor) < 1e-6);
  }
}

TEST_CASE("gguf models: logits are those of the folder") {
  const auto of = [](const std::string& folder) {
    LlamaConfig config = LlamaConfig::from_folder(folder);
    Llama model(config);
    fill(model, folder, llama_family(config), 1);
    return logits_of(model);
  };
  for (const char* name : {"llama", "qwen2", "phi3"}) {
    CAPTURE(name);
    const std::vector<float> a = of(gguf(name) + ".gguf"), b = of(tiny("llama_tiny/") + name);
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= (name == kNames[0] ? 1e-5F : 0.02F));
  }
}

TEST_CASE("gguf models: blocks of each type decode to the gguf package's numbers, bit for bit") {
  const auto file = open_gguf_model(gguf("blocks.gguf")).front();
  const auto wanted = open_tensor_file(gguf("blocks.safetensors"));
  const GgufArchitecture& llama = *gguf_architecture("llama");
  REQUIRE(file->tensors().size() == wanted->tensors().size());
  for (const TensorInfo& t : wanted->tensors()) {
    CAPTURE(t.name);
    const std::string name = llama.hub_name(t.name) + ".weight";
    CHECK(file->info(name).shape == t.shape);
    CHECK(file->load(cpu(), name, DType::f32).to_vector<float>() ==
          wanted->load(cpu(), t.name, DType::f32).to_vector<float>());
  }
  const LlamaConfig config = LlamaConfig::from_folder(gguf("blocks.gguf"));
  CHECK(config.tie_word_embeddings);
  CHECK(config.dtype == "bfloat16");
}

TEST_CASE("gguf models: an encoder") {
  const std::string path = gguf("bert.gguf"), folder = tiny("bert_tiny");
  const RobertaConfig a = RobertaConfig::from_folder(path), b = RobertaConfig::from_folder(folder);
  CHECK(a.model_type == "bert");
  CHECK(a.vocab_size == b.vocab_size);
  CHECK(a.hidden_size == b.hidden_size);
  CHECK(a.num_hidden_layers == b.num_hidden_layers);
  CHECK(a.num_attention_heads == b.num_attention_heads);
  CHECK(a.intermediate_size == b.intermediate_size);
  CHECK(a.max_position_embeddings == b.max_position_embeddings);
  CHECK(a.layer_norm_eps == b.layer_norm_eps);
  CHECK(a.type_vocab_size == b.type_vocab_size);
  CHECK(a.pad_token_id == 0);
  WeightMap got = open_weights(path, roberta_family("bert")), wanted = open_weights(folder, roberta_family("bert"));
  CHECK(got.names().size() == 5 + 2 * 16);
  for (const std::string& name : got.names()) {
    CAPTURE(name);
    const std::vector<float> x = got.load(cpu(), name, DType::f32).to_vector<float>(),
                             y = wanted.load(cpu(), name, DType::f32).to_vector<float>();
    REQUIRE(x.size() == y.size());
    for (size_t i = 0; i < x.size(); ++i) CHECK(std::abs(x[i] - y[i]) <= 0x1p-11F * std::abs(y[i]) + 0x1p-24F);
  }
  const auto tokens = load_tokenizer(path);
  const auto id = [&](const char* piece) { return tokens->id_of(piece); };
  CHECK(id("##z") == 5 + 26 + 25);
  CHECK(tokens->encode("The cat, bed") ==
        std::vector<int32_t>{id("the"), id("cat"), id("[UNK]"), id("b"), id("##e"), id("##d")});
  CHECK(tokens->special().mask == 4);
  CHECK(tokens->input_template().single == std::vector<int32_t>{2, InputTemplate::kA, 3});
}

TEST_CASE("gguf models: names go both ways for every kind") {
  for (const char* name : kLlamas) {
    const LlamaConfig config = LlamaConfig::from_folder(tiny(name));
    const GgufArchitecture* arch = gguf_architecture_for(config.model_type);
    REQUIRE(arch != nullptr);
    WeightMap weights = open_weights(tiny(name), llama_family(config));
    for (const std::string& tensor : weights.names()) {
      CAPTURE(tensor);
      CHECK(arch->hub_name(arch->gguf_name(tensor)) == tensor);
    }
  }
  const GgufArchitecture& bert = *gguf_architecture("bert");
  CHECK(bert.hub_name("blk.11.attn_q.bias") == "bert.encoder.layer.11.attention.self.query.bias");
  CHECK(bert.gguf_name("bert.embeddings.LayerNorm.weight") == "token_embd_norm.weight");
  CHECK(bert.hub_name("blk.x.attn_q.bias") == "");
  CHECK(gguf_architecture("mamba") == nullptr);
}

TEST_CASE("gguf models: tokenizers are those they were made of") {
  for (const auto& [file, source] : {std::pair{"byte-level.gguf", "bytes.json"}, {"pieces.gguf", "sp.model"}}) {
    const std::string of = file;
    CAPTURE(of);
    const auto got = load_tokenizer(gguf(file));
    const auto wanted = load_tokenizer(std::string(LL_SOURCE_DIR) + "/tests/golden/tokenizer_llama/" + source);
    CHECK(got->vocab_size() == wanted->vocab_size());
    CHECK(got->special().bos == wanted->special().bos);
    CHECK(got->special().eos == wanted->special().eos);
    CHECK(got->input_template().single == wanted->input_template().single);
    CHECK(got->notes().empty());
    for (const std::string& text : texts()) {
      CAPTURE(text);
      const std::vector<int32_t> ids = wanted->encode(text);
      CHECK(got->encode(text) == ids);
      CHECK(got->decode(ids) == wanted->decode(ids));
    }
  }
  CHECK(load_chat_template(gguf("byte-level.gguf")).name.find("tokenizer_config.json") != std::string::npos);
  CHECK(GenerationConfig::from_folder(gguf("byte-level.gguf")).eos_token_ids->size() == 1);
  CHECK(complaint([] { load_tokenizer(gguf("llama.gguf")); }).find("has no tokenizer that is read") !=
        std::string::npos);
}

TEST_CASE("gguf models: the table of pre-tokenizers finds each of its own") {
  for (const char* name : {"llama-bpe", "smaug-bpe", "qwen2", "smollm", "gpt-2", "tekken", "gpt-4o"}) {
    CAPTURE(name);
    const GgufPre* pre = gguf_pre(name);
    REQUIRE(pre != nullptr);
    nlohmann::json j = {{"pre_tokenizer", pre_tokenizer_json(*pre)},
                        {"model", {{"ignore_merges", pre->ignore_merges}}}};
    j["normalizer"] = pre->composed ? nlohmann::json{{"type", "NFC"}} : nlohmann::json(nullptr);
    REQUIRE(gguf_pre_of(j) != nullptr);
    CHECK(gguf_pre_of(j)->name == std::string(name));
    j["normalizer"] = {{"type", "NFKC"}};
    CHECK(gguf_pre_of(j) == nullptr);
  }
}

namespace {

// The file of `blocks` with other keys.
void write(const std::string& path, const std::vector<std::pair<std::string, std::string>>& texts,
           const std::vector<std::pair<std::string, int64_t>>& numbers, const std::string& from = "blocks.gguf",
           const std::string& extra = "") {
  const GgufFile source(gguf(from));
  GgufKeys keys;
  for (const auto& old : source.keys().all()) {
    const auto is = [&](const auto& pair) { return pair.first == old.first; };
    if (std::none_of(texts.begin(), texts.end(), is) && std::none_of(numbers.begin(), numbers.end(), is))
      keys.copy(old.first, old.second);
  }
  for (const auto& [key, value] : texts) keys.text(key, value);
  for (const auto& [key, value] : numbers) keys.whole(key, value);
  std::vector<TensorInfo> plan;
  for (const TensorInfo& t : source.tensors()) plan.push_back({.name = t.name, .dtype = "F32", .shape = t.shape});
  if (!extra.empty()) plan.push_back({.name = extra, .dtype = "F32", .shape = {2}});
  GgufWriter writer(path, keys, plan);
  for (const TensorInfo& t : writer.plan())
    writer.append(t.name,
                  t.name == extra ? Tensor::zeros(cpu(), {2}, DType::f32) : source.load(cpu(), t.name, DType::f32));
  writer.finish();
}

}  // namespace

TEST_CASE("gguf models: what is not supported is refused by name") {
  const Folder folder;
  const std::string path = folder / "x.gguf";
  const auto says = [&](const std::string& part) {
    const std::string why = complaint([&] {
      LlamaConfig::from_folder(path);
      WeightMap weights(path);
    });
    INFO(why);
    return why.find(part) != std::string::npos;
  };
  write(path, {{"general.architecture", "mamba"}}, {});
  CHECK(says("general.architecture is mamba; llama, qwen2, qwen3, phi3, gemma2, gemma3 and bert are supported"));
  write(path, {{"general.type", "adapter"}}, {});
  CHECK(says("holds an adapter, not a model"));
  write(path, {}, {{"llama.expert_count", 8}});
  CHECK(says("llama.expert_count is above 0"));
  write(path, {}, {{"llama.rope.dimension_count", 8}});
  CHECK(says("llama.rope.dimension_count is 8, not a head's 16"));
  write(path, {{"llama.rope.scaling.type", "su"}}, {});
  CHECK(says("llama.rope.scaling.type is su"));
  write(path, {{"llama.block_count", "three"}}, {});
  CHECK(says("llama.block_count is not a whole number"));
  write(path, {}, {{"llama.attention.head_count", 5}});
  CHECK(says("has 32 rows, llama.attention.head_count has 5 heads"));
  write(path, {}, {}, "blocks.gguf", "blk.0.ffn_gate_inp.weight");
  CHECK(says("tensor `blk.0.ffn_gate_inp.weight` has no place in a llama"));
  write(path, {}, {}, "blocks.gguf", "rope_freqs.weight");
  CHECK(says("factor"));  // zeros
  write(path, {{"tokenizer.ggml.pre", "unheard-of"}}, {}, "byte-level.gguf");
  CHECK(complaint([&] { load_tokenizer(path); }).find("tokenizer.ggml.pre is unheard-of") != std::string::npos);
  write(path, {{"tokenizer.ggml.model", "t5"}}, {}, "pieces.gguf");
  CHECK(complaint([&] { load_tokenizer(path); }).find("has no tokenizer that is read") != std::string::npos);
}

TEST_CASE("gguf models: a model in parts is read from any of them, and a missing one is named") {
  const Folder folder;
  const GgufFile whole(gguf("llama.gguf"));
  const auto part = [&](int64_t index, const std::string& path) {
    GgufKeys keys;
    if (index == 0)
      for (const auto& [key, value] : whole.keys().all()) keys.copy(key, value);
    keys.whole("split.count", 2);
    keys.whole("split.no", index);
    std::vector<TensorInfo> plan;
    for (const TensorInfo& t : whole.tensors())
      if ((t.name == "output.weight" || t.name.starts_with("blk.1.")) == (index == 1))
        plan.push_back({.name = t.name, .dtype = "F32", .shape = t.shape});
    GgufWriter writer(path, keys, plan);
    for (const TensorInfo& t : writer.plan()) writer.append(t.name, whole.load(cpu(), t.name, DType::f32));
    writer.finish();
  };
  const std::string one = folder / "m-00001-of-00002.gguf", two = folder / "m-00002-of-00002.gguf";
  part(0, one);
  CHECK(complaint([&] { open_gguf_model(one); }).find("m-00002-of-00002.gguf is not there") != std::string::npos);
  part(1, two);
  CHECK(resolve_model_folder(folder.path) == one);
  for (const std::string& named : {one, two}) {
    CHECK(LlamaConfig::from_folder(named).own_json() == LlamaConfig::from_folder(gguf("llama.gguf")).own_json());
    CHECK(WeightMap(named).names() == WeightMap(gguf("llama.gguf")).names());
  }
  fs::rename(two, folder / "other.gguf");
  CHECK(complaint([&] { open_gguf_model(folder / "other.gguf"); }).find("and not named as one") != std::string::npos);
  part(0, two);
  CHECK(complaint([&] { open_gguf_model(one); }).find("its name says otherwise") != std::string::npos);
}

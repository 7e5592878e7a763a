// Adapters and models as GGUF files. That llama.cpp's own package reads them: tests/peers/check_gguf.py.
#include "models/gguf/export.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "engine/error.h"
#include "engine/io/gguf.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/merge.h"
#include "models/hub/write_adapter.h"
#include "models/tokenizers/tokenizer.h"
#include "tests/hub/tiny_models.h"

using namespace lowland;
using namespace lowland::test;
namespace fs = std::filesystem;

namespace {

// Byte-level BPE of a few tokens, in a copy of the model: a file without a tokenizer is of no use to llama.cpp.
std::string with_tokenizer(const std::string& model, const Folder& into) {
  const std::string to = into / "base";
  fs::create_directories(to);
  for (const char* name : {"config.json", "model.safetensors"}) fs::copy_file(model + "/" + name, to + "/" + name);
  put(to + "/tokenizer.json", R"({"added_tokens":[{"id":3,"content":"<|end|>","special":true}],"normalizer":null,
    "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
    "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}})");
  put(to + "/tokenizer_config.json", R"({"eos_token":"<|end|>","chat_template":"{{ messages }}"})");
  return to;
}

std::vector<float> logits(const std::string& folder) {
  Llama model(LlamaConfig::from_folder(folder));
  fill(model, folder, llama_family(model.config()), 1);
  return logits_of(model);
}

float difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  float most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

}  // namespace

TEST_CASE("gguf export: the model that is read back is the merged one") {
  for (const char* name : {"llama_tiny/llama", "llama_tiny/mistral", "llama_tiny/qwen2", "llama_tiny/phi3"}) {
    CAPTURE(name);
    const Folder folder;
    const std::string base = with_tokenizer(tiny(name), folder), adapter = tiny(name) + "/adapter";
    const HubFamily family = llama_family();
    export_gguf_model(base, adapter, "f32", folder / "m.gguf", family);
    merge_adapter(base, adapter, folder / "merged", family);
    CHECK(difference(logits(folder / "m.gguf"), logits(folder / "merged")) <= 1e-5F);
    CHECK(difference(logits(folder / "m.gguf"), logits(base)) > 1e-3F);
    const auto tokens = load_tokenizer(folder / "m.gguf");
    CHECK(tokens->encode("abba<|end|>") == load_tokenizer(base)->encode("abba<|end|>"));
    CHECK(tokens->special().eos == 3);
    // And on from there: the file as a base.
    export_gguf_model(folder / "m.gguf", "", "f32", folder / "again.gguf", family);
    CHECK(logits(folder / "again.gguf") == logits(folder / "m.gguf"));
  }
}

TEST_CASE("gguf export: each type is as near as it can be, and rows that blocks do not fill are f16") {
  const Folder folder;
  const std::string base = with_tokenizer(tiny("llama_tiny/llama"), folder);
  WeightMap wanted(base);
  for (const auto& [type, most] : {std::pair<std::string, float>{"f32", 0}, {"f16", 0x1p-11F}, {"bf16", 0x1p-8F}}) {
    const std::string written = type;
    CAPTURE(written);
    CHECK(export_gguf_model(base, "", type, folder / (type + ".gguf"), llama_family()).notes.empty());
    WeightMap got(folder / (type + ".gguf"));
    CHECK(got.names() == wanted.names());
    for (const std::string& name : wanted.names()) {
      const std::vector<float> x = got.load(cpu(), name, DType::f32).to_vector<float>(),
                               y = wanted.load(cpu(), name, DType::f32).to_vector<float>();
      REQUIRE(x.size() == y.size());
      for (size_t i = 0; i < x.size(); ++i)
        CHECK(std::abs(x[i] - y[i]) <= most * std::abs(y[i]) + (most > 0 ? 0x1p-25F : 0));
    }
  }
  const GgufReport report = export_gguf_model(base, "", "q8_0", folder / "q8_0.gguf", llama_family());
  CHECK(report.notes.size() == 2);  // rows of 16 and of 24
  const GgufFile file(folder / "q8_0.gguf");
  CHECK(file.info("blk.0.attn_q.weight").dtype == "F16");
  CHECK(file.info("blk.0.attn_norm.weight").dtype == "F32");
  CHECK(file.keys().whole("general.file_type", -1) == 7);
}

TEST_CASE("gguf export: an adapter has llama.cpp's names, one alpha, and B in the order of the base's rows") {
  for (const std::string adapter : {"/adapter", "/patterns"}) {
    CAPTURE(adapter);
    const Folder folder;
    const std::string base = tiny("llama_tiny/llama");
    const LoadedAdapter loaded = load_adapter(base + adapter);
    const HubFamily family = llama_family(LlamaConfig::from_folder(base));
    CHECK(export_gguf_adapter(base, base + adapter, folder / "a.gguf", family).tensors ==
          2 * std::ssize(loaded.modules));
    const GgufFile file(folder / "a.gguf");
    CHECK(file.keys().text("general.type", "") == "adapter");
    CHECK(file.keys().text("adapter.type", "") == "lora");
    CHECK(file.keys().text("general.architecture", "") == "llama");
    const double alpha = file.keys().number("adapter.lora.alpha", 0);
    const std::map<std::string, std::pair<std::string, int64_t>> names = {
        {"self_attn.q_proj", {"attn_q", 4}}, {"self_attn.k_proj", {"attn_k", 2}},
        {"self_attn.v_proj", {"attn_v", 0}}, {"self_attn.o_proj", {"attn_output", 0}},
        {"mlp.gate_proj", {"ffn_gate", 0}},  {"mlp.up_proj", {"ffn_up", 0}},
        {"mlp.down_proj", {"ffn_down", 0}}};
    for (const LoraFactors& f : loaded.modules) {
      CAPTURE(f.module);
      const size_t dot = f.module.find('.', 13);
      const auto& [part, heads] = names.at(f.module.substr(dot + 1));
      const std::string name = "blk." + f.module.substr(13, dot - 13) + "." + part + ".weight.lora_";
      CHECK(file.info(name + "a").shape == Shape{f.rank, f.in});
      CHECK(file.info(name + "b").shape == Shape{f.out, f.rank});
      CHECK(file.load(cpu(), name + "a", DType::f32).to_vector<float>() == f.a);
      const std::vector<float> b = file.load(cpu(), name + "b", DType::f32).to_vector<float>();
      for (int64_t row = 0; row < f.out; ++row) {
        const int64_t HD = heads == 0 ? 1 : f.out / heads, i = row % HD;
        const int64_t at = heads == 0 ? row : row - i + (i < HD / 2 ? 2 * i : 2 * (i - HD / 2) + 1);
        for (int64_t r = 0; r < f.rank; ++r) {
          const double wanted = f.scale * static_cast<double>(f.b[row * f.rank + r]);
          CHECK(alpha / static_cast<double>(f.rank) * static_cast<double>(b[at * f.rank + r]) ==
                doctest::Approx(wanted).epsilon(1e-6));
        }
      }
    }
  }
}

TEST_CASE("gguf export: what a file has no place for is refused by name") {
  const Folder folder;
  const std::string base = tiny("llama_tiny/llama");
  const HubFamily family = llama_family(LlamaConfig::from_folder(base));
  LoadedAdapter whole = load_adapter(base + "/adapter");
  whole.head.push_back({"lm_head.weight", {61, 16}, std::vector<float>(61 * 16, 0.5F)});
  whole.config.modules_to_save = {"lm_head"};
  save_adapter(folder / "whole", whole);
  const auto of_adapter = [&](const std::string& adapter, const std::string& out) {
    return complaint([&] { export_gguf_adapter(base, adapter, out, family); });
  };
  CHECK(has(of_adapter(folder / "whole", folder / "a.gguf"), "lm_head.weight: a tensor that is trained whole has no"));
  CHECK_FALSE(fs::exists(folder / "a.gguf"));
  CHECK(has(of_adapter(base + "/adapter", folder / "a.bin"), "must end in .gguf"));
  put(folder / "there.gguf");
  CHECK(has(of_adapter(base + "/adapter", folder / "there.gguf"), "is there already"));
  const auto of_model = [&](const std::string& model, const std::string& type) {
    return complaint([&] { export_gguf_model(model, "", type, folder / "m.gguf", llama_family()); });
  };
  CHECK(has(of_model(base, "q3_k"), "--gguf must be adapter, f32, f16, bf16, q8_0 or q4_0, got q3_k"));
  CHECK(has(of_model(base, "f32"), "no tokenizer here"));
  const Folder gemma;
  CHECK(has(of_model(with_tokenizer(tiny("llama_tiny/gemma2"), gemma), "f32"), "query_pre_attn_scalar 10, not 6"));
  CHECK_FALSE(fs::exists(folder / "m.gguf"));
}

TEST_CASE("gguf export: an adapter merges onto a base in blocks, which is then written as bf16") {
  const Folder folder;
  const std::string base = std::string(LL_SOURCE_DIR) + "/tests/golden/gguf/blocks.gguf";
  const LlamaConfig config = LlamaConfig::from_folder(base);
  const HubFamily family = llama_family(config);
  Llama model(config);
  const AdapterSettings settings{.rank = 2, .alpha = 4, .targets = "q_proj,down_proj"};
  attach_adapter(model, settings, family);
  model.materialise(cpu(), DType::f32);
  WeightMap weights = open_weights(base, family);
  load_weights(model, weights, 3);
  disturb(model);
  save_adapter(folder / "a", collect_adapter(model, settings, family, base_of(weights)));
  const MergeReport report = merge_adapter(base, folder / "a", folder / "m", family);
  CHECK(report.modules == 2);
  CHECK(report.widened == 7);
  CHECK(has(report.notes.back(), "7 of 11 tensors of the base were in blocks: they are written as bf16"));
  const auto merged = open_tensor_file(folder / "m/model.safetensors");
  CHECK(merged->info("model.layers.0.self_attn.q_proj.weight").dtype == "BF16");
  CHECK(merged->info("model.norm.weight").dtype == "F32");
  // bf16 keeps the adapter: what it rounds off is small beside it.
  CHECK(difference(logits(folder / "m"), logits_of(model)) <= 0.1F * difference(logits(base), logits_of(model)));
}

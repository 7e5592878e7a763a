// Merging in the library: every number of the merged files against plain loops in double, and the merged model against
// base and adapter.
#include "models/hub/merge.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "engine/io/safetensors_writer.h"
#include "kernels/common/blocks.h"
#include "tests/hub/tiny_models.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::vector<double> values_of(const SafetensorsFile& file, const std::string& name) {
  return file.load(cpu(), name, DType::f64).to_vector<double>();
}

// The most by which one rounding to the dtype changes a number near 1.
double rounding_of(const std::string& dtype) { return dtype == "BF16" ? 0x1p-8 : dtype == "F16" ? 0x1p-11 : 0x1p-24; }

// W + s B A by plain loops, against a tensor of the merged file. f32 sums of a few products, then one rounding.
// input_first: the file has W as (in, out).
void check_sum(const std::vector<double>& w, const LoraFactors& f, const std::vector<double>& merged,
               const std::string& dtype, bool input_first) {
  REQUIRE(merged.size() == w.size());
  double worst = 0, changed = 0;
  for (int64_t o = 0; o < f.out; ++o) {
    for (int64_t i = 0; i < f.in; ++i) {
      const int64_t at = input_first ? i * f.out + o : o * f.in + i;
      double product = 0, size = std::abs(w[at]);
      for (int64_t r = 0; r < f.rank; ++r) {
        const double term = f.scale * double{f.b[o * f.rank + r]} * double{f.a[r * f.in + i]};
        product += term;
        size += std::abs(term);
      }
      const double exact = w[at] + product;
      const double allowed = 1.001 * rounding_of(dtype) * std::abs(exact) + 0x1p-22 * size + 0x1p-25;
      const double off = std::abs(merged[at] - exact) / allowed;
      worst = off <= worst ? worst : off;  // a NaN stays
      changed = std::max(changed, std::abs(product));
    }
  }
  CHECK(worst <= 1);
  CHECK(changed > 1e-3);
}

// Every tensor of every file of the base is in the merged file of the same name, as it was, or with the adapter's part.
void check_files(const std::string& base, const std::string& merged, const LoadedAdapter& adapter) {
  size_t sums = 0, heads = 0;
  for (const auto& entry : fs::directory_iterator(base)) {
    if (!entry.path().filename().string().starts_with("model") || entry.path().extension() != ".safetensors") continue;
    const SafetensorsFile before(entry.path().string()), after(merged + "/" + entry.path().filename().string());
    CHECK(after.metadata() == before.metadata());
    for (const TensorInfo& t : before.tensors()) {
      CAPTURE(t.name);
      CHECK(after.info(t.name).dtype == t.dtype);
      if (const HeadTensor* h = adapter.find_head(t.name)) {
        ++heads;
        CHECK(after.info(t.name).shape == h->shape);
        const std::vector<double> got = values_of(after, t.name);
        for (size_t i = 0; i < got.size(); ++i)
          CHECK(std::abs(got[i] - double{h->values[i]}) <= rounding_of(t.dtype) * std::abs(h->values[i]) + 0x1p-25);
        continue;
      }
      const LoraFactors* f = t.name.ends_with(".weight") ? adapter.find(t.name.substr(0, t.name.size() - 7)) : nullptr;
      if (f == nullptr) {
        const TensorBytes now = after.bytes(t.name), then = before.bytes(t.name);
        CHECK(std::string_view(now) == std::string_view(then));
        continue;
      }
      ++sums;
      check_sum(values_of(before, t.name), *f, values_of(after, t.name), t.dtype, adapter.config.fan_in_fan_out);
    }
  }
  CHECK(sums == adapter.modules.size());
  CHECK(heads == adapter.head.size());
}

}  // namespace

TEST_CASE("merge: the merged model computes what base and adapter compute") {
  const auto check = [](const auto& make, const std::string& base, const HubFamily& family) {
    const Folder out;
    const std::string folder = base + "/adapter";
    const LoadedAdapter adapter = load_adapter(folder);
    const MergeReport report = merge_adapter(base, folder, out / "m", family);
    CHECK(report.modules == std::ssize(adapter.modules));
    CHECK(report.added.empty());
    check_files(base, out / "m", adapter);
    const auto adapted = make(base), merged = make(out / "m"), plain = make(base);
    attach_adapter(*adapted, settings_of(adapter), family, &adapter);
    fill(*adapted, base, family, 1);
    fill_adapter(*adapted, adapter);
    fill(*merged, out / "m", family, 1);
    fill(*plain, base, family, 1);
    const std::vector<float> a = logits_of(*adapted), b = logits_of(*merged), c = logits_of(*plain);
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= 1e-5);
    CHECK(a != c);
  };
  check(tiny_roberta, tiny("roberta_tiny"), roberta_family());
  check(tiny_roberta, tiny("bert_tiny"), roberta_family("bert"));
  check(tiny_roberta, tiny("distilbert_tiny"), roberta_family("distilbert"));
  check(tiny_gpt2, tiny("gpt2_tiny"), gpt2_family());
  for (const char* name : kLlamas) {
    const HubFamily family = llama_family(LlamaConfig::from_folder(tiny(name)));
    check(tiny_llama, tiny(name), family);
    const Folder out;
    merge_adapter(tiny(name), tiny(name) + "/adapter", out / "m", family);
    CHECK(read_file(out / "m/config.json") == read_file(tiny(name) + "/config.json"));
  }
}

TEST_CASE("merge: matrices that files hold as (in, out), whole and with pairs") {
  const Folder out;
  const std::string base = tiny("gpt2_tiny");
  const AdapterSettings settings{.rank = 2, .targets = "c_attn,c_proj", .modules_to_save = "c_fc"};
  const auto adapted = tiny_gpt2(base);
  attach_adapter(*adapted, settings, gpt2_family());
  fill(*adapted, base, gpt2_family(), 1);
  disturb(*adapted);
  save_adapter(out / "a", collect_adapter(*adapted, settings, gpt2_family(), {}));
  const LoadedAdapter saved = load_adapter(out / "a");
  const HeadTensor* whole = saved.find_head("transformer.h.0.mlp.c_fc.weight");
  REQUIRE(whole != nullptr);
  CHECK(whole->shape == Shape{16, 20});  // as peft has it
  merge_adapter(base, out / "a", out / "m", gpt2_family());
  const auto merged = tiny_gpt2(out / "m");
  fill(*merged, out / "m", gpt2_family(), 1);
  const std::vector<float> a = logits_of(*adapted), b = logits_of(*merged);
  for (size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= 1e-5);
}

namespace {

// The tiny llama with the matrices of its layers in int8, as bitsandbytes writes them.
void write_int8_llama(const std::string& folder, const char* dtype) {
  const SafetensorsFile from(tiny("llama_tiny/llama") + "/model.safetensors");
  std::vector<TensorInfo> plan;
  std::map<std::string, std::string> bytes;
  const auto put_tensor = [&](const std::string& name, const char* type, const Shape& shape, std::string content) {
    plan.push_back({.name = name, .dtype = type, .shape = shape});
    bytes[name] = std::move(content);
  };
  for (const TensorInfo& t : from.tensors()) {
    if (!t.name.starts_with("model.layers.") || !t.name.ends_with("_proj.weight")) {
      const TensorBytes content = from.bytes(t.name);
      put_tensor(t.name, t.dtype.c_str(), t.shape, std::string(content.data(), content.size()));
      continue;
    }
    const std::vector<float> w = from.load(cpu(), t.name, DType::f32).to_vector<float>();
    std::string codes, scales;
    const int64_t columns = t.shape[1];
    for (int64_t r = 0; r < t.shape[0]; ++r) {
      std::string row(row_bytes(DType::int8, columns), 0);
      encode_row(DType::int8, w.data() + r * columns, columns, reinterpret_cast<std::byte*>(row.data()));
      scales += row.substr(0, 4);
      codes += row.substr(4, columns);
    }
    put_tensor(t.name, "I8", t.shape, codes);
    put_tensor(t.name.substr(0, t.name.size() - 6) + "SCB", "F32", {t.shape[0]}, scales);
  }
  fs::create_directories(folder);
  SafetensorsWriter writer(folder + "/model.safetensors", plan);
  for (const TensorInfo& t : writer.plan()) writer.append_bytes(t.name, bytes.at(t.name));
  writer.finish();
  json config = json::parse(read_file(tiny("llama_tiny/llama") + "/config.json"));
  config["dtype"] = dtype;
  config["quantization_config"] = {{"quant_method", "bitsandbytes"}, {"load_in_8bit", true}};
  write_file_atomically(folder + "/config.json", config.dump());
}

}  // namespace

TEST_CASE("merge: onto matrices that bitsandbytes quantised, as numbers") {
  const LoadedAdapter adapter = load_adapter(tiny("llama_tiny/llama") + "/adapter");
  for (const auto& [dtype, written] : {std::pair<const char*, std::string>{"float32", "F32"}, {"bfloat16", "BF16"}}) {
    const Folder out;
    write_int8_llama(out / "q", dtype);
    const HubFamily family = llama_family(LlamaConfig::from_folder(out / "q"));
    const MergeReport report = merge_adapter(out / "q", adapter.folder, out / "m", family);
    CHECK(report.widened == 14);
    REQUIRE(!report.notes.empty());
    CHECK(has(report.notes.back(), written == "F32" ? "are written as f32" : "are written as bf16"));
    CHECK_FALSE(json::parse(read_file(out / "m/config.json")).contains("quantization_config"));
    WeightMap before = open_weights(out / "q", family);
    const SafetensorsFile after(out / "m/model.safetensors");
    CHECK(after.tensors().size() == before.names().size());
    for (const LoraFactors& f : adapter.modules) {
      const std::string name = f.module + ".weight";
      CHECK(after.info(name).dtype == (before.blocks().count(name) > 0 ? written : "F32"));
      const std::vector<double> w = before.load(cpu(), name, DType::f64).to_vector<double>();
      check_sum(w, f, values_of(after, name), after.info(name).dtype, false);
    }
    const auto merged = tiny_llama(out / "m");
    fill(*merged, out / "m", family, 1);
    CHECK(logits_of(*merged).size() > 0);
  }
}

TEST_CASE("a GPT-2's matrices, which files have as (in, out), are quantised as they are read") {
  const std::string base = tiny("gpt2_tiny");
  const auto plain = tiny_gpt2(base), narrow = tiny_gpt2(base);
  narrow->set_quantised(DType::int8);
  fill(*plain, base, gpt2_family(), 1);
  fill(*narrow, base, gpt2_family(), 1);
  for (const nn::Linear* linear : narrow->linears()) {
    const std::string& name = linear->weight().name;
    CAPTURE(name);
    CHECK(linear->weight().value.dtype() == DType::int8);
    const std::vector<float> got = linear->weight().value.to(DType::f32).to_vector<float>(),
                             want = plain->parameters().find(name).to_vector<float>();
    const float largest = std::abs(
        *std::max_element(want.begin(), want.end(), [](float x, float y) { return std::abs(x) < std::abs(y); }));
    for (size_t i = 0; i < want.size(); ++i) CHECK(std::abs(got[i] - want[i]) <= largest / 250);
  }
}

TEST_CASE("merge: dtypes and shards stay, exceptions of rank and alpha count") {
  for (const std::string base : {"seqcls-f32", "seqcls-bf16", "seqcls-f16", "seqcls-sharded"}) {
    for (const std::string name : {"adapter-seqcls", "adapter-patterns"}) {
      CAPTURE(base);
      CAPTURE(name);
      const Folder out;
      merge_adapter(golden(base), golden(name), out / "m", roberta_family());
      check_files(golden(base), out / "m", load_adapter(golden(name)));
      const std::string index = "/model.safetensors.index.json";
      if (fs::exists(golden(base) + index)) {
        const json before = json::parse(read_file(golden(base) + index)),
                   after = json::parse(read_file(out / "m" + index));
        CHECK(after.at("weight_map") == before.at("weight_map"));
        CHECK(after.at("metadata").at("total_size") == before.at("metadata").at("total_size"));
      }
    }
  }
}

TEST_CASE("merge: a head that the base lacks is added, and config.json names its classes") {
  const Folder out;
  LoadedAdapter adapter = load_adapter(golden("adapter-seqcls"));
  const MergeReport report = merge_adapter(golden("mlm"), golden("adapter-seqcls"), out / "m", roberta_family());
  CHECK(report.added == std::vector<std::string>{"classifier.dense.bias", "classifier.dense.weight",
                                                 "classifier.out_proj.bias", "classifier.out_proj.weight"});
  const SafetensorsFile file(out / "m/model.safetensors");
  for (const HeadTensor& h : adapter.head) {
    CHECK(file.info(h.name).dtype == "F32");
    CHECK(file.load(cpu(), h.name, DType::f32).to_vector<float>() == h.values);
  }
  const json before = json::parse(read_file(golden("mlm") + "/config.json"));
  json after = json::parse(read_file(out / "m/config.json"));
  CHECK(after.at("architectures") == json{"RobertaForSequenceClassification"});
  CHECK(after.at("id2label") == json{{"0", "LABEL_0"}, {"1", "LABEL_1"}, {"2", "LABEL_2"}});
  for (const auto& [key, value] : before.items()) CHECK((key == "architectures" || after.at(key) == value));

  // With a card of its own labels; its fingerprint is the base's.
  adapter.card = AdapterCard{};
  adapter.card->labels = {"a", "b", "c"};
  adapter.card->problem_type = "single_label_classification";
  adapter.card->base_fingerprint = base_of(open_weights(golden("seqcls-f32"), roberta_family())).fingerprint;
  save_adapter(out / "a", adapter);
  merge_adapter(golden("seqcls-f32"), out / "a", out / "n", roberta_family());
  after = json::parse(read_file(out / "n/config.json"));
  CHECK(after.at("label2id") == json{{"a", 0}, {"b", 1}, {"c", 2}});
  CHECK(after.at("problem_type") == "single_label_classification");
  CHECK(RobertaConfig::from_folder(out / "n").labels == adapter.card->labels);
  CHECK(has(complaint([&] { merge_adapter(golden("seqcls-bf16"), out / "a", out / "o", roberta_family()); }),
            "was trained on another base than " + golden("seqcls-bf16")));
  CHECK(!fs::exists(out / "o"));
}

TEST_CASE("merge: an adapter without a head leaves config.json alone") {
  const Folder out;
  merge_adapter(golden("mlm"), golden("adapter-mlm"), out / "m", roberta_family());
  CHECK(read_file(out / "m/config.json") == read_file(golden("mlm") + "/config.json"));
}

TEST_CASE("merge: what cannot be merged leaves nothing behind") {
  const Folder out;
  const std::string base = golden("seqcls-f32");
  const auto says = [&](const LoadedAdapter& adapter, const std::string& of) {
    save_adapter(out / "a", adapter);
    const std::string text = complaint([&] { merge_adapter(of, out / "a", out / "m", roberta_family()); });
    CHECK(std::distance(fs::directory_iterator(out.path), {}) == 1);  // the adapter
    return text;
  };
  CHECK(complaint([&] { merge_adapter(base, golden("adapter-seqcls"), base, roberta_family()); }) ==
        base + " is not empty: give another --out");
  LoadedAdapter adapter = load_adapter(golden("adapter-seqcls"));
  CHECK(has(says(adapter, tiny("roberta_tiny")), "it belongs to another base"));
  adapter.modules[0].b[5] = std::numeric_limits<float>::infinity();
  CHECK(has(says(adapter, base), "a number that is not finite in " + adapter.modules[0].module + ".weight"));
  adapter = load_adapter(golden("adapter-seqcls"));
  adapter.head[0].values[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK(has(says(adapter, base), "a number that is not finite in classifier.dense.bias"));
  adapter = load_adapter(golden("adapter-seqcls"));
  adapter.modules[0].module = "roberta.encoder.layer.7.attention.self.query";
  adapter.sort();
  CHECK(has(says(adapter, base), "is not a linear layer of the model"));
  CHECK(has(complaint([&] { merge_adapter(base, out / "none", out / "m", roberta_family()); }),
            "there is no adapter folder"));
}

TEST_CASE("merge: files and folders beside the weights are copied, weights in other formats are not") {
  const Folder base, out;
  fs::copy(golden("seqcls-f32"), base.path, fs::copy_options::recursive);
  for (const char* folder : {"1_Pooling", "onnx", "old-adapter"}) fs::create_directories(base / folder);
  const std::vector<std::string> copied = {"LICENSE", "tokenizer.json", "chat_template.jinja", "1_Pooling/config.json"};
  for (const std::string& name : copied) write_file_atomically(base / name, "of the base: " + name);
  for (const char* name : {"pytorch_model.bin", "tf_model.h5", "model.gguf", "onnx/model.onnx", ".gitattributes",
                           "adapter_config.json", "old-adapter/adapter_config.json", "old-adapter/README.md"})
    write_file_atomically(base / name, "x");
  fs::create_symlink(base / "LICENSE", base / "NOTICE");  // as files of a Hugging Face cache are
  merge_adapter(base.path, golden("adapter-seqcls"), out / "m", roberta_family());
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(out / "m"))
    if (!entry.is_directory()) found.push_back(fs::relative(entry.path(), out / "m").string());
  std::sort(found.begin(), found.end());
  CHECK(found == std::vector<std::string>{"1_Pooling/config.json", "LICENSE", "NOTICE", "chat_template.jinja",
                                          "config.json", "model.safetensors", "tokenizer.json"});
  for (const std::string& name : copied) CHECK(read_file(out / "m/" + name) == "of the base: " + name);
  CHECK(!fs::is_symlink(out / "m/NOTICE"));
}

TEST_CASE("merge: finite is what is finite as it is written; a tensor without elements is left out") {
  const Folder base, out;
  fs::copy(golden("seqcls-f16"), base.path, fs::copy_options::recursive);
  LoadedAdapter adapter = load_adapter(golden("adapter-seqcls"));
  // W is below 1 in size: one product of 65000 stays finite in f16, one of 66000 does not, though it is in f32.
  const auto merged = [&](float product) {
    LoraFactors& f = adapter.modules[0];
    std::fill(f.a.begin(), f.a.end(), 0.0F);
    std::fill(f.b.begin(), f.b.end(), 0.0F);
    f.a[3] = 1;
    f.b[2 * f.rank] = product / static_cast<float>(adapter.config.scale_of(f.module));
    save_adapter(out / "a", adapter);
    fs::remove_all(out / "m");
    return complaint([&] { merge_adapter(base.path, out / "a", out / "m", roberta_family()); });
  };
  CHECK(merged(65000).empty());
  CHECK(has(merged(66000), "a number that is not finite in " + adapter.modules[0].module + ".weight (6"));
  CHECK(has(merged(66000), "as F16): nothing is written"));

  std::string bytes = read_file(base / "model.safetensors");  // a tensor of no bytes at the header's end
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  json header = json::parse(bytes.substr(8, length));
  header["extra.empty"] = {{"dtype", "F16"}, {"shape", {0}}, {"data_offsets", {0, 0}}};
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t longer = text.size();
  write_file_atomically(base / "model.safetensors",
                        std::string(reinterpret_cast<const char*>(&longer), 8) + text + bytes.substr(8 + length));
  CHECK(merged(1).empty());
  CHECK(!SafetensorsFile(out / "m/model.safetensors").contains("extra.empty"));
}

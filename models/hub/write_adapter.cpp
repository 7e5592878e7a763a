#include "models/hub/write_adapter.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/safetensors_writer.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

void check_complete(const std::string& folder, const LoadedAdapter& adapter) {
  LL_CHECK(!adapter.modules.empty(), "cannot write the adapter {}: it has no modules", folder);
  LL_CHECK(!adapter.config.target_modules.empty(), "cannot write the adapter {}: it has no target_modules", folder);
  for (const LoraFactors& f : adapter.modules) {
    LL_CHECK(std::ssize(f.a) == f.rank * f.in && std::ssize(f.b) == f.rank * f.out,
             "cannot write the adapter {}: `{}` has {} and {} values for rank {}, {} x {}", folder, f.module,
             f.a.size(), f.b.size(), f.rank, f.out, f.in);
  }
  // Without them peft ends in a KeyError.
  LL_CHECK(adapter.config.task_type != "SEQ_CLS" || !adapter.head.empty(),
           "cannot write the adapter {}: a SEQ_CLS adapter needs the head's tensors", folder);
}

void write_weights(const std::string& path, const LoadedAdapter& adapter) {
  std::vector<TensorInfo> plan;
  std::map<std::string, const std::vector<float>*> values;
  const auto add = [&](const std::string& name, const Shape& shape, const std::vector<float>& data) {
    const std::string key = fmt::format("{}{}", kAdapterKeyPrefix, name);
    plan.push_back({.name = key, .dtype = "F32", .shape = shape});
    values[key] = &data;
  };
  const auto add_pair = [&](const std::string& module, const LoraFactors& f) {
    add(module + ".lora_A.weight", {f.rank, f.in}, f.a);
    add(module + ".lora_B.weight", {f.out, f.rank}, f.b);
    if (!f.magnitude.empty()) add(module + ".lora_magnitude_vector", {f.out}, f.magnitude);
  };
  std::vector<LoraFactors> tables;  // in peft's form
  tables.reserve(adapter.modules.size());
  for (const LoraFactors& f : adapter.modules) {
    if (!f.table) {
      add_pair(f.module, f);
      continue;
    }
    tables.push_back(
        {.module = f.module, .rank = f.rank, .a = transposed(f.b, f.out, f.rank), .b = transposed(f.a, f.rank, f.in)});
    add(f.module + ".lora_embedding_A", {f.rank, f.out}, tables.back().a);
    add(f.module + ".lora_embedding_B", {f.in, f.rank}, tables.back().b);
    if (!adapter.tied_head.empty()) add_pair(adapter.tied_head, f);
  }
  for (const HeadTensor& t : adapter.tokens)
    add(t.name.substr(0, t.name.rfind('.')) + ".token_adapter.trainable_tokens_delta", t.shape, t.values);
  for (const auto* tensors : {&adapter.head, &adapter.stored})
    for (const HeadTensor& t : *tensors) {  // of a module with a pair, which peft wraps, the base's own
      const size_t dot = t.name.rfind('.');
      const bool pair = adapter.find(t.name.substr(0, dot)) != nullptr;
      const bool rows = std::any_of(adapter.tokens.begin(), adapter.tokens.end(),
                                    [&](const HeadTensor& of) { return of.name == t.name; });
      const std::string wrapped = pair ? ".base_layer" : rows ? ".token_adapter.base_layer" : "";
      add(t.name.substr(0, dot) + wrapped + t.name.substr(dot), t.shape, t.values);
    }
  SafetensorsWriter writer(path, std::move(plan));
  for (const TensorInfo& t : writer.plan()) {
    const std::vector<float>& data = *values.at(t.name);
    writer.append_bytes(t.name, {reinterpret_cast<const char*>(data.data()), data.size() * sizeof(float)});
  }
  writer.finish();
}

// Bit by bit: a NaN is equal to itself.
bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

void read_back(const std::string& folder, const LoadedAdapter& wanted) {
  const LoadedAdapter read = load_adapter(folder);
  bool equal = read.modules.size() == wanted.modules.size() && read.head.size() == wanted.head.size() &&
               read.stored.size() == wanted.stored.size() && read.tied_head == wanted.tied_head &&
               read.tokens.size() == wanted.tokens.size();
  for (size_t i = 0; equal && i < wanted.tokens.size(); ++i)
    equal = read.tokens[i].name == wanted.tokens[i].name && same(read.tokens[i].values, wanted.tokens[i].values);
  for (const LoraFactors& f : wanted.modules) {
    const LoraFactors* r = read.find(f.module);
    equal = equal && r && r->in == f.in && r->out == f.out && r->table == f.table && same(r->a, f.a) &&
            same(r->b, f.b) && same(r->magnitude, f.magnitude) && r->scale == wanted.config.scale_of(f.module);
  }
  for (const HeadTensor& t : wanted.head) {
    const HeadTensor* r = read.find_head(t.name);
    equal = equal && r && r->shape == t.shape && same(r->values, t.values);
  }
  for (size_t i = 0; equal && i < wanted.stored.size(); ++i)
    equal = read.stored[i].name == wanted.stored[i].name && same(read.stored[i].values, wanted.stored[i].values);
  LL_CHECK(equal, "the adapter {} reads back other than it was written", folder);
}

}  // namespace

void write_adapter_files(const std::string& folder, LoadedAdapter adapter) {
  if (adapter.config.target_modules.all_linear) {
    adapter.config.target_modules = {};
    for (const LoraFactors& f : adapter.modules) adapter.config.target_modules.names.push_back(f.module);
  }
  check_complete(folder, adapter);
  const fs::path base(folder);
  const AdapterCard card = adapter.card.value_or(AdapterCard{});
  const HeadTensor* classes = adapter.find_classes();
  write_weights((base / kAdapterWeightsFile).string(), adapter);
  write_file_atomically((base / kAdapterConfigFile).string(), adapter.config.to_json());
  write_file_atomically((base / "README.md").string(),
                        adapter_readme(adapter.config, card, classes == nullptr ? 0 : classes->shape[0]));
  write_file_atomically((base / "lowland.json").string(), card.to_json());
  read_back(folder, adapter);
}

void save_adapter(const std::string& folder, LoadedAdapter adapter) {
  AtomicDirectory directory(folder);
  write_adapter_files(directory.temporary(), std::move(adapter));
  directory.commit();
}

}  // namespace lowland

#include "models/hub/peft_adapter.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/safetensors.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

// True if `name` ends in `tail`, which is then cut off.
bool strip_tail(std::string& name, const std::string& tail) {
  if (name.size() <= tail.size() || !name.ends_with(tail)) return false;
  name.resize(name.size() - tail.size());
  return true;
}

bool holds(const std::string& name, const char* part) { return name.find(part) != std::string::npos; }

std::string config_text(const std::string& folder) {
  const fs::path base(folder);
  std::error_code error;
  LL_CHECK(fs::is_directory(base, error), "there is no adapter folder {}", folder);
  if (!fs::exists(base / kAdapterConfigFile, error)) {
    // RUN for RUN/adapter; and peft saves adapters that are not called "default" in a folder of their own.
    if (fs::exists(base / "adapter" / kAdapterConfigFile, error))
      fail("{} has no {}; did you mean {}?", folder, kAdapterConfigFile, (base / "adapter").string());
    for (fs::directory_iterator it(base, error), end; !error && it != end; it.increment(error)) {
      if (fs::exists(it->path() / kAdapterConfigFile, error)) {
        fail("{} has no {}; did you mean {}?", folder, kAdapterConfigFile, it->path().string());
      }
    }
    fail("{} has no {}: it is not a peft adapter folder", folder, kAdapterConfigFile);
  }
  if (!fs::exists(base / kAdapterWeightsFile, error) && fs::exists(base / "adapter_model.bin", error)) {
    fail("{} holds adapter_model.bin only: load it with peft and save it again, which writes {}", folder,
         kAdapterWeightsFile);
  }
  return read_file((base / kAdapterConfigFile).string(), 64 << 20);
}

std::vector<float> floats_of(const SafetensorsFile& file, const TensorInfo& t) {
  std::vector<float> values(numel_of(t.shape));
  if (!convert_from_file(values.data(), DType::f32, file.bytes(t.name).data(), t.dtype, numel_of(t.shape))) {
    fail("tensor `{}` of {} has dtype {}, which cannot be read as f32", t.name, file.path(), t.dtype);
  }
  return values;
}

// What cannot be read is named for what it is.
[[noreturn]] void refuse_tensor(const SafetensorsFile& file, const std::string& name) {
  const char* what = "is neither a LoRA factor of a linear layer nor of a module in modules_to_save";
  if (holds(name, "lora_embedding_")) what = "is a LoRA factor of an embedding, which is not supported";
  if (holds(name, "lora_magnitude_vector")) what = "belongs to DoRA, which is not supported";
  if (holds(name, "lora_B.bias")) what = "belongs to lora_bias, which is not supported";
  fail("{}: tensor `{}` {}", file.path(), name, what);
}

using Factors = std::map<std::string, LoraFactors>;

void take_factor(const SafetensorsFile& file, const TensorInfo& t, const std::string& module, bool is_a,
                 Factors& found) {
  LL_CHECK(t.shape.size() == 2 && t.shape[0] > 0 && t.shape[1] > 0, "{}: tensor `{}` has shape {}, not two dimensions",
           file.path(), t.name, to_string(t.shape));
  LoraFactors& f = found[module];
  f.module = module;
  const int64_t rank = is_a ? t.shape[0] : t.shape[1];
  LL_CHECK(f.rank == 0 || f.rank == rank, "{}: lora_A and lora_B of `{}` have ranks {} and {}", file.path(), module,
           is_a ? rank : f.rank, is_a ? f.rank : rank);
  f.rank = rank;
  (is_a ? f.in : f.out) = is_a ? t.shape[1] : t.shape[0];
  (is_a ? f.a : f.b) = floats_of(file, t);
}

void check_against_config(const SafetensorsFile& file, const AdapterConfig& config, const LoraFactors& f) {
  LL_CHECK(!f.a.empty() && !f.b.empty(), "{}: `{}` has no {}", file.path(), f.module,
           f.a.empty() ? "lora_A" : "lora_B");
  LL_CHECK(config.targets(f.module), "{}: `{}` is not one of the target_modules of {}", file.path(), f.module,
           kAdapterConfigFile);
  LL_CHECK(config.rank_of(f.module) == f.rank, "{}: `{}` has rank {}, but {} by {}", file.path(), f.module, f.rank,
           config.rank_of(f.module), kAdapterConfigFile);
}

}  // namespace

const LoraFactors* LoadedAdapter::find(const std::string& module) const {
  const auto it = std::find_if(modules.begin(), modules.end(), [&](const auto& m) { return m.module == module; });
  return it == modules.end() ? nullptr : &*it;
}

const HeadTensor* LoadedAdapter::find_head(const std::string& name) const {
  const auto it = std::find_if(head.begin(), head.end(), [&](const auto& t) { return t.name == name; });
  return it == head.end() ? nullptr : &*it;
}

const HeadTensor* LoadedAdapter::find_classes() const {
  const HeadTensor* found = nullptr;
  for (const HeadTensor& t : head)
    if (t.shape.size() == 2 && is_within(t.name, {"classifier", "score"})) found = &t;
  return found;
}

void LoadedAdapter::sort() {
  std::sort(head.begin(), head.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::sort(modules.begin(), modules.end(), [](const auto& a, const auto& b) { return a.module < b.module; });
}

LoadedAdapter renamed(LoadedAdapter adapter, const Rename& rename) {
  bool fits = true;
  for (LoraFactors& f : adapter.modules) {
    f.module = rename(f.module);
    fits = fits && adapter.config.targets(f.module);
  }
  for (HeadTensor& t : adapter.head) t.name = rename(t.name);
  for (std::string& module : adapter.config.modules_to_save) module = rename(module);
  adapter.sort();
  if (fits) return adapter;
  adapter.config.target_modules = {};
  for (const LoraFactors& f : adapter.modules) adapter.config.target_modules.names.push_back(f.module);
  return adapter;
}

LoadedAdapter load_adapter(const std::string& folder, const Rename& rename) {
  LoadedAdapter adapter;
  adapter.folder = folder;
  adapter.config = AdapterConfig::from_json(config_text(folder), (fs::path(folder) / kAdapterConfigFile).string());
  const SafetensorsFile file((fs::path(folder) / kAdapterWeightsFile).string());
  Factors found;
  for (const TensorInfo& t : file.tensors()) {
    LL_CHECK(t.name.starts_with(kAdapterKeyPrefix), "{}: the name of tensor `{}` does not begin with {}", file.path(),
             t.name, kAdapterKeyPrefix);
    const std::string name = t.name.substr(std::string_view(kAdapterKeyPrefix).size());
    std::string module = name;
    if (strip_tail(module, ".lora_A.weight")) {
      take_factor(file, t, module, true, found);
    } else if (strip_tail(module, ".lora_B.weight")) {
      take_factor(file, t, module, false, found);
    } else if (!holds(name, "lora_") && adapter.config.saves_whole(name)) {
      adapter.head.push_back({name, t.shape, floats_of(file, t)});
    } else {
      refuse_tensor(file, t.name);
    }
  }
  LL_CHECK(!found.empty(), "{} has no LoRA factors", file.path());
  for (auto& [module, f] : found) {
    check_against_config(file, adapter.config, f);
    f.scale = adapter.config.scale_of(module);
    adapter.modules.push_back(std::move(f));
  }
  adapter.card = read_adapter_card(folder);
  return rename ? renamed(std::move(adapter), rename) : adapter;
}

void check_adapter_fits(const LoadedAdapter& adapter, const std::vector<LinearModule>& model) {
  const std::string& folder = adapter.folder;
  std::map<std::string, const LinearModule*> layers;
  for (const LinearModule& layer : model) layers[layer.name] = &layer;
  for (const LoraFactors& f : adapter.modules) {
    const auto it = layers.find(f.module);
    LL_CHECK(it != layers.end(), "the adapter {} has `{}`, which is not a linear layer of the model", folder, f.module);
    LL_CHECK(it->second->in == f.in && it->second->out == f.out,
             "the adapter {} has `{}` of {} x {}, but the model's is {} x {}: it belongs to another base", folder,
             f.module, f.out, f.in, it->second->out, it->second->in);
  }
  for (const LinearModule& layer : model) {
    LL_CHECK(adapter.find(layer.name) || !adapter.config.targets(layer.name),
             "the adapter {} has no factors for `{}`, which its target_modules name", folder, layer.name);
  }
}

}  // namespace lowland

#include "models/hub/peft_adapter.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/safetensors.h"
#include "engine/io/safetensors_writer.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPrefix = "base_model.model.";
constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";

// True if `name` ends in `tail`, which is then cut off.
bool strip_tail(std::string& name, const std::string& tail) {
  if (name.size() <= tail.size() || name.compare(name.size() - tail.size(), tail.size(), tail) != 0) return false;
  name.resize(name.size() - tail.size());
  return true;
}

bool holds(const std::string& name, const char* part) { return name.find(part) != std::string::npos; }

std::string config_text(const std::string& folder) {
  const fs::path base(folder);
  std::error_code error;
  LL_CHECK(fs::is_directory(base, error), "there is no adapter folder {}", folder);
  if (!fs::exists(base / kConfigFile, error)) {
    // RUN for RUN/adapter; and peft saves adapters that are not called "default" in a folder of their own.
    if (fs::exists(base / "adapter" / kConfigFile, error))
      fail("{} has no {}; did you mean {}?", folder, kConfigFile, (base / "adapter").string());
    for (fs::directory_iterator it(base, error), end; !error && it != end; it.increment(error)) {
      if (fs::exists(it->path() / kConfigFile, error)) {
        fail("{} has no {}; did you mean {}?", folder, kConfigFile, it->path().string());
      }
    }
    fail("{} has no {}: it is not a peft adapter folder", folder, kConfigFile);
  }
  if (!fs::exists(base / kWeightsFile, error) && fs::exists(base / "adapter_model.bin", error)) {
    fail("{} holds adapter_model.bin only: load it with peft and save it again, which writes {}", folder, kWeightsFile);
  }
  return read_file((base / kConfigFile).string(), 64 << 20);
}

std::vector<float> floats_of(const SafetensorsFile& file, const TensorInfo& t) {
  std::vector<float> values(static_cast<size_t>(numel_of(t.shape)));
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
           kConfigFile);
  LL_CHECK(config.rank_of(f.module) == f.rank, "{}: `{}` has rank {}, but {} by {}", file.path(), f.module, f.rank,
           config.rank_of(f.module), kConfigFile);
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

LoadedAdapter renamed(LoadedAdapter adapter, const Rename& rename) {
  bool fits = true;
  for (LoraFactors& f : adapter.modules) {
    f.module = rename(f.module);
    fits = fits && adapter.config.targets(f.module);
  }
  for (HeadTensor& t : adapter.head) t.name = rename(t.name);
  for (std::string& module : adapter.config.modules_to_save) module = rename(module);
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(adapter.head.begin(), adapter.head.end(), by_name);
  std::sort(adapter.modules.begin(), adapter.modules.end(),
            [](const auto& a, const auto& b) { return a.module < b.module; });
  if (fits) return adapter;
  adapter.config.target_modules = {};
  for (const LoraFactors& f : adapter.modules) adapter.config.target_modules.names.push_back(f.module);
  return adapter;
}

LoadedAdapter load_adapter(const std::string& folder, const Rename& rename) {
  LoadedAdapter adapter;
  adapter.config = AdapterConfig::from_json(config_text(folder), (fs::path(folder) / kConfigFile).string());
  const SafetensorsFile file((fs::path(folder) / kWeightsFile).string());
  Factors found;
  for (const TensorInfo& t : file.tensors()) {
    if (t.name.rfind(kPrefix, 0) != 0) {
      fail("{}: the name of tensor `{}` does not begin with {}", file.path(), t.name, kPrefix);
    }
    const std::string name = t.name.substr(std::string(kPrefix).size());
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
  return rename ? renamed(std::move(adapter), rename) : adapter;
}

void check_adapter_fits(const LoadedAdapter& adapter, const std::vector<LinearModule>& model,
                        const std::string& folder) {
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

namespace {

void check_complete(const std::string& folder, const LoadedAdapter& adapter) {
  LL_CHECK(!adapter.modules.empty(), "cannot write the adapter {}: it has no modules", folder);
  LL_CHECK(!adapter.config.target_modules.empty(), "cannot write the adapter {}: it has no target_modules", folder);
  for (const LoraFactors& f : adapter.modules) {
    LL_CHECK(f.a.size() == static_cast<size_t>(f.rank * f.in) && f.b.size() == static_cast<size_t>(f.rank * f.out),
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
    const std::string key = fmt::format("{}{}", kPrefix, name);
    plan.push_back({key, "F32", shape, 0, 0});
    values[key] = &data;
  };
  for (const LoraFactors& f : adapter.modules) {
    add(f.module + ".lora_A.weight", {f.rank, f.in}, f.a);
    add(f.module + ".lora_B.weight", {f.out, f.rank}, f.b);
  }
  for (const HeadTensor& t : adapter.head) add(t.name, t.shape, t.values);
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
  bool equal = read.modules.size() == wanted.modules.size() && read.head.size() == wanted.head.size();
  for (const LoraFactors& f : wanted.modules) {
    const LoraFactors* r = read.find(f.module);
    equal = equal && r && r->in == f.in && r->out == f.out && same(r->a, f.a) && same(r->b, f.b) &&
            r->scale == wanted.config.scale_of(f.module);
  }
  for (const HeadTensor& t : wanted.head) {
    const HeadTensor* r = read.find_head(t.name);
    equal = equal && r && r->shape == t.shape && same(r->values, t.values);
  }
  LL_CHECK(equal, "the adapter {} reads back other than it was written", folder);
}

}  // namespace

void write_adapter_files(const std::string& folder, LoadedAdapter adapter, const AdapterCard& card) {
  if (adapter.config.target_modules.all_linear) {
    adapter.config.target_modules = {};
    for (const LoraFactors& f : adapter.modules) adapter.config.target_modules.names.push_back(f.module);
  }
  check_complete(folder, adapter);
  const fs::path base(folder);
  write_weights((base / kWeightsFile).string(), adapter);
  write_file_atomically((base / kConfigFile).string(), adapter.config.to_json());
  write_file_atomically((base / "README.md").string(), adapter_readme(adapter.config, card));
  write_file_atomically((base / "lowland.json").string(), card.to_json());
  read_back(folder, adapter);
}

void save_adapter(const std::string& folder, LoadedAdapter adapter, const AdapterCard& card) {
  AtomicDirectory directory(folder);
  write_adapter_files(directory.temporary(), std::move(adapter), card);
  directory.commit();
}

std::string base_model_name(const std::string& flag, const std::string& name_or_path, const std::string& folder) {
  if (!flag.empty()) return flag;
  if (!name_or_path.empty()) return name_or_path;
  const fs::path path = fs::absolute(folder).lexically_normal();
  const fs::path absolute = path.has_filename() ? path : path.parent_path();
  const std::string repository = absolute.parent_path().parent_path().filename().string();
  const std::string head = "models--";
  if (absolute.parent_path().filename() == "snapshots" && repository.rfind(head, 0) == 0) {
    const std::string name = repository.substr(head.size());
    const size_t at = name.find("--");
    return at == std::string::npos ? name : fmt::format("{}/{}", name.substr(0, at), name.substr(at + 2));
  }
  return absolute.string();
}

}  // namespace lowland

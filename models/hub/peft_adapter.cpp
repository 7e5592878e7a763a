#include "models/hub/peft_adapter.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/tensor_file.h"
#include "models/hub/folder_faults.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

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
  return read_file((base / kAdapterConfigFile).string(), 64 << 20);
}

// peft's order.
std::shared_ptr<const TensorFile> open_weights_of(const std::string& folder) {
  std::error_code error;
  for (const char* name : {kAdapterWeightsFile, kAdapterTorchFile}) {
    const fs::path file = fs::path(folder) / name;
    if (fs::exists(file, error)) return open_tensor_file(file.string());
  }
  if (const std::string why = why_not_there(folder, "weights"); !why.empty()) fail(why);
  fail("{} has neither {} nor {}", folder, kAdapterWeightsFile, kAdapterTorchFile);
}

std::vector<float> floats_of(const TensorFile& file, const TensorInfo& t) {
  std::vector<float> values(numel_of(t.shape));
  if (!convert_from_file(values.data(), DType::f32, file.bytes(t.name).data(), t.dtype, numel_of(t.shape))) {
    fail("tensor `{}` of {} has dtype {}, which cannot be read as f32", t.name, file.path(), t.dtype);
  }
  return values;
}

// What cannot be read is named for what it is.
[[noreturn]] void refuse_tensor(const std::string& file, const std::string& name) {
  const char* what = "is neither a LoRA factor nor of a module in modules_to_save";
  if (holds(name, "lora_")) what = "is no factor of LoRA that is known";
  if (holds(name, ".token_adapter.")) what = "is of tokens that trainable_token_indices does not name";
  if (holds(name, ".modules_to_save.")) what = "is of a module that modules_to_save does not name";
  if (holds(name, "lora_B.bias")) what = "belongs to lora_bias, which is not supported";
  if (name.ends_with(".bias") && !holds(name, "lora_"))
    what = "is a bias that neither modules_to_save nor bias, in adapter_config.json, asks for";
  fail("{}: tensor `{}` {}", file, name, what);
}

using Factors = std::map<std::string, LoraFactors>;

// is_a: the pair's A, which is (rank, in); of an embedding in its own file's form, (in, rank).
void take_factor(const std::string& file, const HeadTensor& t, const std::string& module, bool is_a, bool table,
                 Factors& found) {
  LL_CHECK(t.shape.size() == 2 && t.shape[0] > 0 && t.shape[1] > 0,
           "{}: tensor `{}` has shape {}, not two dimensions of at least 1: was it saved without its shards gathered?",
           file, t.name, to_string(t.shape));
  LoraFactors& f = found[module];
  LL_CHECK(f.rank == 0 || f.table == table, "{}: `{}` has a pair of a linear layer and one of an embedding", file,
           module);
  f.module = module;
  f.table = table;
  const bool rank_first = is_a != table;
  const int64_t rank = rank_first ? t.shape[0] : t.shape[1], other = rank_first ? t.shape[1] : t.shape[0];
  LL_CHECK(f.rank == 0 || f.rank == rank, "{}: lora_A and lora_B of `{}` have ranks {} and {}", file, module,
           is_a != table ? rank : f.rank, is_a != table ? f.rank : rank);
  f.rank = rank;
  (is_a ? f.in : f.out) = other;
  std::vector<float>& into = is_a ? f.a : f.b;
  LL_CHECK(into.empty(), "{}: tensor `{}` is there twice, under two names", file, t.name);
  into = table ? transposed(t.values, t.shape[0], t.shape[1]) : t.values;
}

// Of DoRA; convolutions, whose magnitudes have more dimensions, are none of ours.
void take_magnitude(const std::string& file, const HeadTensor& t, const std::string& module, Factors& found) {
  LoraFactors& f = found[module];
  f.module = module;
  LL_CHECK(f.magnitude.empty(), "{}: tensor `{}` is there twice, under two names", file, t.name);
  LL_CHECK(t.shape.size() == 1 && t.shape[0] > 0, "{}: tensor `{}` has shape {}, not one dimension", file, t.name,
           to_string(t.shape));
  f.magnitude = t.values;
}

void check_against_config(const std::string& file, const AdapterConfig& config, const LoraFactors& f) {
  const bool no_a = f.a.empty();
  LL_CHECK(!f.a.empty() && !f.b.empty(), "{}: `{}` has no {}", file, f.module,
           !f.table ? (no_a ? "lora_A" : "lora_B") : (no_a ? "lora_embedding_B" : "lora_embedding_A"));
  LL_CHECK(config.targets(f.module), "{}: `{}` is not one of the target_modules of {}", file, f.module,
           kAdapterConfigFile);
  LL_CHECK(!config.use_dora || !f.table, "{}: `{}` is an embedding with DoRA, which is not supported", file, f.module);
  LL_CHECK(config.use_dora == !f.magnitude.empty(), "{}: `{}` has {} lora_magnitude_vector, but use_dora is {} in {}",
           file, f.module, f.magnitude.empty() ? "no" : "a", config.use_dora, kAdapterConfigFile);
  LL_CHECK(f.magnitude.empty() || std::ssize(f.magnitude) == f.out, "{}: `{}` has {} magnitudes for {} rows", file,
           f.module, f.magnitude.size(), f.out);
  LL_CHECK(!config.saves_whole(f.module + ".weight"),
           "{}: `{}` has a pair and is in modules_to_save, too: one of the two changes its weight", file, f.module);
  LL_CHECK(config.rank_of(f.module) == f.rank, "{}: `{}` has rank {}, but {} by {}", file, f.module, f.rank,
           config.rank_of(f.module), kAdapterConfigFile);
}

// A tensor that is not a factor, where it belongs.
void take_tensor(const std::string& file, const AdapterKey& key, HeadTensor t, LoadedAdapter& adapter,
                 std::vector<HeadTensor>& wrapped) {
  using What = AdapterKey::What;
  const std::string in_file = t.name, module = key.name.substr(0, key.name.rfind('.'));
  const bool whole = adapter.config.saves_whole(key.name), vocabulary = is_vocabulary_module(module);
  t.name = key.name;
  if (key.what == What::tokens && adapter.config.tokens_of(module) != nullptr) {
    adapter.tokens.push_back(std::move(t));
  } else if (key.what == What::whole && whole) {
    adapter.head.push_back(std::move(t));
  } else if (key.what == What::wrapped && whole) {
    wrapped.push_back(std::move(t));
  } else if (key.what == What::original && whole) {
    adapter.originals.push_back(std::move(t));
  } else if ((key.what == What::base || key.what == What::whole) && adapter.config.saves_bias(key.name)) {
    adapter.head.push_back(std::move(t));
  } else if ((key.what == What::base || key.what == What::whole) && vocabulary && t.shape.size() == 2) {
    adapter.stored.push_back(std::move(t));
  } else {
    refuse_tensor(file, in_file);
  }
}

// ensure_weight_tying: the pair of the output layer is that of the embedding a second time.
void join_tied_pair(const AdapterConfig& config, Factors& found, std::string& tied_head) {
  if (!config.ensure_weight_tying) return;
  for (const auto& [name, table] : found)
    for (const auto& [module, f] : found) {
      if (!table.table || f.table || f.a != table.a || f.b != table.b) continue;
      tied_head = module;
      found.erase(std::string(module));
      return;
    }
}

}  // namespace

std::vector<float> transposed(const std::vector<float>& x, int64_t rows, int64_t columns) {
  std::vector<float> out(x.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) out[c * rows + r] = x[r * columns + c];
  return out;
}

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
  for (std::vector<HeadTensor>* tensors : {&head, &stored, &originals, &tokens})
    std::sort(tensors->begin(), tensors->end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::sort(modules.begin(), modules.end(), [](const auto& a, const auto& b) { return a.module < b.module; });
}

bool is_vocabulary_module(const std::string& module) {
  const std::string last = module.substr(module.rfind('.') + 1);
  return last == "embed_tokens" || last == "lm_head" || last == "word_embeddings" || last == "wte";
}

namespace {

// Makes the order of the patterns that of their keys, in which they are saved. Where they do not give each module its
// rank and scale then, they name the modules one by one.
void settle_patterns(LoadedAdapter& adapter, const std::vector<double>& alphas) {
  AdapterConfig& c = adapter.config;
  std::sort(c.rank_pattern.begin(), c.rank_pattern.end());
  std::sort(c.alpha_pattern.begin(), c.alpha_pattern.end());
  if (std::all_of(adapter.modules.begin(), adapter.modules.end(), [&](const LoraFactors& f) {
        return c.rank_of(f.module) == f.rank && c.scale_of(f.module) == f.scale;
      }))
    return;
  c.rank_pattern.clear();
  c.alpha_pattern.clear();
  for (size_t i = 0; i < adapter.modules.size(); ++i) {
    const LoraFactors& f = adapter.modules[i];
    if (f.rank != c.r) c.rank_pattern.emplace_back(f.module, f.rank);
    if (alphas[i] != c.lora_alpha) c.alpha_pattern.emplace_back(f.module, alphas[i]);
  }
}

std::vector<double> alphas_of(const LoadedAdapter& adapter) {
  std::vector<double> alphas;
  for (const LoraFactors& f : adapter.modules) alphas.push_back(adapter.config.alpha_of(f.module));
  return alphas;
}

}  // namespace

LoadedAdapter renamed(LoadedAdapter adapter, const Rename& rename) {
  bool fits = true;
  const std::vector<double> alphas = alphas_of(adapter);
  const auto module_of = [&](const std::string& module) {  // a prefix of names ends in a dot
    const std::string name = rename(module + ".");
    return name.substr(0, name.size() - 1);
  };
  for (LoraFactors& f : adapter.modules) {
    f.module = module_of(f.module);
    fits = fits && adapter.config.targets(f.module);
  }
  for (std::vector<HeadTensor>* tensors : {&adapter.head, &adapter.stored, &adapter.originals, &adapter.tokens})
    for (HeadTensor& t : *tensors) t.name = rename(t.name);
  for (std::string& module : adapter.config.modules_to_save) module = module_of(module);
  if (!adapter.tied_head.empty()) adapter.tied_head = module_of(adapter.tied_head);
  settle_patterns(adapter, alphas);
  adapter.sort();
  if (fits) return adapter;
  adapter.config.target_modules = {};
  for (const LoraFactors& f : adapter.modules) adapter.config.target_modules.names.push_back(f.module);
  return adapter;
}

LoadedAdapter load_adapter(const std::string& folder, const Rename& rename) {
  LoadedAdapter adapter;
  adapter.folder = folder;
  AdapterConfig& config = adapter.config;
  config = AdapterConfig::from_json(config_text(folder), (fs::path(folder) / kAdapterConfigFile).string());
  const std::shared_ptr<const TensorFile> weights = open_weights_of(folder);
  const TensorFile& file = *weights;
  std::vector<std::string> keys;
  for (const TensorInfo& t : file.tensors()) {
    keys.push_back(plain_key(t.name));
    LL_CHECK(keys.back().starts_with(kAdapterKeyPrefix), "{}: the name of tensor `{}` does not begin with {}",
             file.path(), t.name, kAdapterKeyPrefix);
    keys.back().erase(0, std::string_view(kAdapterKeyPrefix).size());
  }
  const std::string name = adapter_name_in(keys, file.path());
  Factors found;
  std::vector<HeadTensor> wrapped;
  for (size_t i = 0; i < keys.size(); ++i) {
    using What = AdapterKey::What;
    const TensorInfo& t = file.tensors()[i];
    const AdapterKey key = read_adapter_key(keys[i], name);
    if (key.what == What::unknown) refuse_tensor(file.path(), t.name);
    HeadTensor values{t.name, t.shape, floats_of(file, t)};
    const bool table = key.what == What::table_a || key.what == What::table_b;
    if (table || key.what == What::lora_a || key.what == What::lora_b) {
      // W + B A: of an embedding peft's B^T is this A, and its A^T this B.
      const bool is_a = key.what == What::lora_a || key.what == What::table_b;
      take_factor(file.path(), values, key.module, is_a, table, found);
    } else if (key.what == What::magnitude) {
      take_magnitude(file.path(), values, key.module, found);
    } else {
      take_tensor(file.path(), key, std::move(values), adapter, wrapped);
    }
  }
  // As a state dictionary has them: peft looks for the plain name and fails (KeyError).
  for (const HeadTensor& t : wrapped)
    LL_CHECK(adapter.find_head(t.name), "{} has no tensor {}, only one under modules_to_save.{}: rename it",
             file.path(), t.name, name.empty() ? "default" : name);
  LL_CHECK(!found.empty(), "{} has no LoRA factors", file.path());
  for (const HeadTensor& t : adapter.tokens) {
    const auto n = std::ssize(*config.tokens_of(t.name.substr(0, t.name.rfind('.'))));
    LL_CHECK(t.shape.size() == 2 && t.shape[0] == n, "{}: the rows of {} are {}, but {} tokens by {}", file.path(),
             t.name, to_string(t.shape), n, kAdapterConfigFile);
  }
  LL_CHECK(config.token_indices.empty() || !adapter.tokens.empty(), "{} has no rows for its trainable_token_indices",
           file.path());
  join_tied_pair(config, found, adapter.tied_head);
  if (config.target_modules.empty())
    for (const auto& [module, f] : found) config.target_modules.names.push_back(module);
  for (auto& [module, f] : found) {
    check_against_config(file.path(), config, f);
    f.scale = config.scale_of(module);
    adapter.modules.push_back(std::move(f));
  }
  adapter.sort();
  settle_patterns(adapter, alphas_of(adapter));
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
    const LinearModule& layer = *it->second;
    LL_CHECK(f.table == (layer.kind == ModuleKind::table), "the adapter {} has a pair of {} for `{}`", folder,
             f.table ? "an embedding" : "a linear layer", f.module);
    LL_CHECK(layer.in == f.in && layer.out == f.out,
             "the adapter {} has `{}` of {} x {}, but the model's is {} x {}: it belongs to another base", folder,
             f.module, f.out, f.in, layer.out, layer.in);
  }
  for (const LinearModule& layer : model) {
    LL_CHECK(
        adapter.find(layer.name) || layer.name == adapter.tied_head || !adapter.config.targets(layer.name, layer.kind),
        "the adapter {} has no factors for `{}`, which its target_modules name", folder, layer.name);
  }
}

}  // namespace lowland

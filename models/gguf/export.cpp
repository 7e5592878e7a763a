#include "models/gguf/export.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/error.h"
#include "engine/io/gguf_types.h"
#include "engine/io/gguf_writer.h"
#include "engine/io/row_order.h"
#include "models/decoder/tied_head.h"
#include "models/gguf/model_keys.h"
#include "models/gguf/tokenizer_keys.h"
#include "models/hub/base_model.h"
#include "models/hub/merged_weights.h"
#include "models/hub/write_model.h"
#include "models/llama/llama.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

void check_out(const std::string& out) {
  std::error_code error;
  LL_CHECK(!fs::exists(out, error), "{} is there already: give another --out", out);
  LL_CHECK(out.ends_with(".gguf"), "--out {} is the file to write, and its name must end in .gguf", out);
}

// The heads whose rows of q and k a file has in pairs; 0: the tensor or module is neither, or has them in halves.
int64_t paired_heads(const GgufArchitecture& arch, const LlamaConfig& config, const std::string& name) {
  const auto is = [&](const char* part) { return (name + ".").find(part) != std::string::npos; };
  if (!arch.paired) return 0;
  return is(".q_proj.") ? config.num_attention_heads : is(".k_proj.") ? config.num_key_value_heads : 0;
}

std::string name_in(const GgufArchitecture& arch, const std::string& name) {
  const std::string found = arch.gguf_name(name);
  LL_CHECK(!found.empty(), "{} has no place in a GGUF file of a {}", name, arch.name);
  return found;
}

void put_general(GgufKeys& keys, const GgufArchitecture& arch, const char* type, const std::string& name) {
  keys.text("general.architecture", arch.name);
  keys.text("general.type", type);
  const fs::path path(name);
  if (!name.empty()) keys.text("general.name", (name.ends_with(".gguf") ? path.stem() : path.filename()).string());
}

// --- adapters

void check_adapter_file(const LoadedAdapter& adapter, const LlamaConfig& config) {
  const auto refuse = [](const std::string& name, const char* what) {
    fail("{}: {} has no place in an adapter's GGUF file; --gguf q8_0 (or f16, ...) writes the merged model instead",
         name, what);
  };
  for (const auto* tensors : {&adapter.head, &adapter.stored})
    for (const HeadTensor& t : *tensors) refuse(t.name, "a tensor that is trained whole");
  for (const HeadTensor& t : adapter.tokens) refuse(t.name, "rows of a table that are trained");
  for (const LoraFactors& f : adapter.modules) {
    if (f.table) refuse(f.module, "a pair of an embedding");
    if (!f.magnitude.empty()) refuse(f.module, "a magnitude of DoRA");
    if (f.module == "lm_head" && config.tie_word_embeddings) refuse(f.module, "a pair of a head that is the embedding");
  }
  LL_CHECK(!adapter.modules.empty(), "{} has no pairs", adapter.folder);
}

// alpha / r, as the file's reader scales, is this module's s times `rest`.
double rest_of(const LoraFactors& f, double alpha) { return f.scale * static_cast<double>(f.rank) / alpha; }

}  // namespace

GgufReport export_gguf_adapter(const std::string& base, const std::string& adapter, const std::string& out,
                               const HubFamily& family) {
  check_out(out);
  MergedWeights merged(base, adapter, family);
  GgufReport report;
  const LlamaConfig config = LlamaConfig::from_folder(merged.folder());
  const GgufArchitecture& arch = architecture_for(config);
  const LoadedAdapter& loaded = merged.adapter();
  check_adapter_file(loaded, config);
  const double alpha = loaded.modules[0].scale * static_cast<double>(loaded.modules[0].rank);
  LL_CHECK(alpha > 0, "{}: {} has scale {}", adapter, loaded.modules[0].module, loaded.modules[0].scale);
  GgufKeys keys;
  put_general(keys, arch, "adapter", adapter);
  keys.text("adapter.type", "lora");
  keys.number("adapter.lora.alpha", alpha);
  std::vector<TensorInfo> plan;
  Context context;
  std::map<std::string, Tensor> tensors;
  for (const LoraFactors& f : loaded.modules) {
    const std::string name = name_in(arch, f.module) + ".weight.lora_";
    std::vector<float> b(f.b.size());
    const auto rest = static_cast<float>(rest_of(f, alpha));
    if (rest != 1) report.notes.push_back(fmt::format("{}: its B is written times {}, for one alpha", f.module, rest));
    std::transform(f.b.begin(), f.b.end(), b.begin(), [rest](float x) { return rest * x; });
    if (const int64_t heads = paired_heads(arch, config, f.module); heads > 0) {
      const std::vector<float> halves = b;
      rows_to_pairs(reinterpret_cast<char*>(b.data()), reinterpret_cast<const char*>(halves.data()), f.out,
                    f.rank * sizeof(float), heads);
    }
    tensors[name + "a"] = Tensor::from<float>(context, {f.rank, f.in}, f.a);
    tensors[name + "b"] = Tensor::from<float>(context, {f.out, f.rank}, b);
  }
  for (const auto& [name, x] : tensors) plan.push_back({.name = name, .dtype = "F32", .shape = x.shape()});
  GgufWriter writer(out, keys, plan);
  for (const TensorInfo& t : writer.plan()) writer.append(t.name, tensors.at(t.name));
  writer.finish();
  report.tensors = std::ssize(plan);
  return report;
}

namespace {

// --- models

struct FileType {
  const char *flag, *matrices, *tables;
  int64_t number;  // general.file_type, llama.cpp's
};

constexpr FileType kFileTypes[] = {{"f32", "F32", "F32", 0},
                                   {"f16", "F16", "F16", 1},
                                   {"bf16", "BF16", "BF16", 32},
                                   {"q8_0", "Q8_0", "Q8_0", 7},
                                   {"q4_0", "Q4_0", "Q8_0", 2}};

const FileType& file_type(const std::string& flag) {
  const auto* found =
      std::find_if(std::begin(kFileTypes), std::end(kFileTypes), [&](const FileType& t) { return flag == t.flag; });
  LL_CHECK(found != std::end(kFileTypes), "--gguf must be adapter, f32, f16, bf16, q8_0 or q4_0, got {}", flag);
  return *found;
}

class ModelWriter {
 public:
  ModelWriter(MergedWeights& merged, const FileType& type)
      : merged_(merged), type_(type), config_(read_config()), arch_(architecture_for(config_)) {}

  GgufReport write(const std::string& out, const std::string& tokenizer) {
    GgufKeys keys;
    put_general(keys, arch_, "model", base_model_name("", merged_.folder()));
    keys.whole("general.file_type", type_.number);
    if (type_.number == 2 || type_.number == 7) keys.whole("general.quantization_version", 2);
    GgufBuffers buffers = put_model_keys(keys, config_);
    report_.notes.insert(report_.notes.end(), buffers.notes.begin(), buffers.notes.end());
    put_tokenizer_keys(keys, tokenizer, config_.vocab_size);
    plan();
    for (const auto& [name, values] : buffers.tensors)
      plan_.push_back({.name = name, .dtype = "F32", .shape = {std::ssize(values)}});
    GgufWriter writer(out, keys, plan_);
    for (const auto& [name, hub] : sources_) writer.append(name, tensor(hub));
    for (const auto& [name, values] : buffers.tensors)
      writer.append(name, Tensor::from<float>(context_, {std::ssize(values)}, values));
    writer.finish();
    report_.tensors = std::ssize(plan_);
    return report_;
  }

 private:
  LlamaConfig read_config() {
    std::vector<std::string> notes;
    LlamaConfig config = LlamaConfig::from_json(merged_.config_json(notes), merged_.folder() + "/config.json");
    settle_tied_head(config, merged_.weights(), kLlamaEmbedding);
    return config;
  }

  void plan() {
    std::vector<std::string> names = merged_.weights().names();
    std::erase_if(names, [](const std::string& n) { return is_ignorable_weight(n) && n != "lm_head.weight"; });
    if (config_.tie_word_embeddings) std::erase(names, "lm_head.weight");
    if (!merged_.apart().empty() && !merged_.weights().contains(merged_.apart())) names.push_back(merged_.apart());
    for (const HeadTensor& h : merged_.adapter().head)
      if (std::find(names.begin(), names.end(), h.name) == names.end()) names.push_back(h.name);
    std::map<std::string, int64_t> narrow;
    for (const std::string& hub : names) {
      const HeadTensor* whole = merged_.whole(hub);
      const bool here = merged_.weights().contains(hub);
      const Shape shape = whole ? whole->shape : merged_.weights().info(here ? hub : merged_.apart_from()).shape;
      const std::string name = name_in(arch_, hub);
      std::string dtype = shape.size() < 2 ? "F32" : hub.starts_with("model.layers.") ? type_.matrices : type_.tables;
      if (shape.size() >= 2 && shape.back() % gguf_type(dtype)->block != 0) {
        dtype = "F16";
        ++narrow[fmt::format("{}", shape.back())];
      }
      plan_.push_back({.name = name, .dtype = dtype, .shape = shape});
      sources_.emplace_back(name, hub);
    }
    for (const auto& [width, count] : narrow)
      report_.notes.push_back(
          fmt::format("{} matrices have rows of {} numbers, which blocks do not fill: they are f16", count, width));
  }

  // As the file has it.
  Tensor tensor(const std::string& hub) {
    Tensor x = merged_.value(hub);
    if (arch_.norms_plus != 0 && hub.find("norm.") != std::string::npos) {
      std::vector<float> values = x.to_vector<float>();
      for (float& v : values) v += arch_.norms_plus;
      return Tensor::from<float>(context_, x.shape(), values);
    }
    const int64_t heads = paired_heads(arch_, config_, hub);
    if (heads == 0) return x;
    const std::vector<float> halves = x.to_vector<float>();
    std::vector<float> pairs(halves.size());
    const int64_t rows = x.dim(0), width = x.numel() / rows;
    rows_to_pairs(reinterpret_cast<char*>(pairs.data()), reinterpret_cast<const char*>(halves.data()), rows,
                  width * sizeof(float), heads);
    return Tensor::from<float>(context_, x.shape(), pairs);
  }

  MergedWeights& merged_;
  const FileType& type_;
  LlamaConfig config_;
  const GgufArchitecture& arch_;
  Context context_;
  std::vector<TensorInfo> plan_;
  std::vector<std::pair<std::string, std::string>> sources_;  // name in the file, name of today
  GgufReport report_;
};

}  // namespace

GgufReport export_gguf_model(const std::string& base, const std::string& adapter, const std::string& type,
                             const std::string& out, const HubFamily& family) {
  const FileType& as = file_type(type);
  check_out(out);
  MergedWeights merged(base, adapter, family);
  return ModelWriter(merged, as).write(out, has_tokenizer(adapter) ? adapter : merged.folder());
}

}  // namespace lowland

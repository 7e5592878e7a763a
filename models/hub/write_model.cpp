#include "models/hub/write_model.h"

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/hub_folder.h"
#include "models/hub/peft_adapter.h"

namespace lowland {
namespace fs = std::filesystem;

void write_model_files(const std::string& folder, const std::string& config_json,
                       const std::vector<NamedTensor>& tensors, size_t max_shard_bytes) {
  std::vector<std::vector<NamedTensor>> shards(1);
  size_t filled = 0, total = 0;
  int64_t parameters = 0;
  for (const NamedTensor& t : tensors) {
    LL_CHECK(t.second.defined(), "cannot write {}: tensor `{}` is absent", folder, t.first);
    const size_t bytes = t.second.nbytes();
    if (filled > 0 && filled + bytes > max_shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(t);
    filled += bytes;
    total += bytes;
    parameters += t.second.numel();
  }
  const fs::path base(folder);
  write_file_atomically((base / "config.json").string(), config_json);
  if (shards.size() == 1) return save_safetensors((base / "model.safetensors").string(), shards[0]);
  nlohmann::json index;
  index["metadata"] = {{"total_parameters", parameters}, {"total_size", total}};
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    save_safetensors((base / name).string(), shards[i]);
    for (const NamedTensor& t : shards[i]) index["weight_map"][t.first] = name;
  }
  write_file_atomically((base / "model.safetensors.index.json").string(), index.dump(2) + "\n");
}

std::vector<NamedTensor> tensors_to_write(const nn::ParameterSet& parameters) {
  std::vector<NamedTensor> out = parameters.named();
  for (auto& [name, t] : out) {
    if (!parameters.input_first(name)) continue;
    const std::vector<float> turned = transposed(t.to(DType::f32).to_vector<float>(), t.dim(0), t.dim(1));
    t = Tensor::from<float>(t.context(), {t.dim(1), t.dim(0)}, turned).to(t.dtype());  // (in, out)
  }
  return out;
}

namespace {

constexpr const char* kTokenizerFiles[] = {
    "tokenizer.json",          "tokenizer_config.json", "tokenizer.model",     "vocab.json",         "merges.txt",
    "special_tokens_map.json", "added_tokens.json",     "chat_template.jinja", "chat_template.json", "vocab.txt",
    "sentencepiece.bpe.model"};

constexpr const char* kProcessorFiles[] = {"preprocessor_config.json", "processor_config.json",
                                           "video_preprocessor_config.json"};

// Whether it was there.
bool copy_if_there(const char* name, const std::string& from, const std::string& to) {
  const fs::path source = fs::path(from) / name;
  if (!model_file_exists(source)) return false;
  write_file_atomically((fs::path(to) / name).string(), read_model_file(source));
  return true;
}

}  // namespace

void copy_tokenizer_files(const std::string& from, const std::string& to) {
  for (const char* name : kTokenizerFiles) copy_if_there(name, from, to);
}

void copy_processor_files(const std::string& from, const std::string& to) {
  for (const char* name : kProcessorFiles) copy_if_there(name, from, to);
}

std::vector<std::string> copy_companion_files(const std::string& from, const std::string& to) {
  std::vector<std::string> copied;
  const auto copy = [&](const char* name) {
    if (copy_if_there(name, from, to)) copied.emplace_back(name);
  };
  for (const char* name : kTokenizerFiles) copy(name);
  for (const char* name : kProcessorFiles) copy(name);
  copy("generation_config.json");
  return copied;
}

bool has_tokenizer(const std::string& folder) {
  if (folder.empty()) return false;
  const fs::path at(folder);
  return is_file(at / "tokenizer.json") || is_file(at / "tokenizer.model") || is_file(at / "vocab.txt") ||
         (is_file(at / "vocab.json") && is_file(at / "merges.txt"));
}

bool has_chat_template(const std::string& folder) {
  return !folder.empty() && is_file(fs::path(folder) / "chat_template.jinja");
}

namespace {

bool is_weights(const std::string& name) {
  static constexpr const char* kEndings[] = {".safetensors",
                                             ".bin",
                                             ".pt",
                                             ".pth",
                                             ".ckpt",
                                             ".gguf",
                                             ".ggml",
                                             ".h5",
                                             ".msgpack",
                                             ".ot",
                                             ".onnx",
                                             ".npz",
                                             ".pkl",
                                             ".index.json",
                                             ".tflite",
                                             ".onnx_data",
                                             ".safetensors.index.json"};
  return std::any_of(std::begin(kEndings), std::end(kEndings), [&](const char* end) { return name.ends_with(end); });
}

// Whether anything was there to copy. Links to files are followed, as those of a Hugging Face cache; to folders not.
bool copy_tree(const fs::path& from, const fs::path& to, bool top) {
  bool any = false;
  std::error_code none;
  if (fs::exists(from / "adapter_config.json", none) && !top) return false;  // an adapter would lack its weights
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    std::error_code error;
    if (name.starts_with(".") || is_weights(name) || (top && name == "config.json") || name == "adapter_config.json")
      continue;
    if (entry.is_directory(error) && !entry.is_symlink(error)) {
      any = copy_tree(entry.path(), to / name, false) || any;
    } else if (entry.is_regular_file(error)) {
      fs::create_directories(to, error);
      fs::copy_file(entry.path(), to / name, error);
      LL_CHECK(!error, "cannot copy {} to {}: {}", entry.path().string(), to.string(), error.message());
      any = true;
    }
  }
  return any;
}

}  // namespace

void copy_other_files(const std::string& from, const std::string& to) { copy_tree(from, to, true); }

}  // namespace lowland

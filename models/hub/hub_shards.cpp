// Sharded weights, in and out; the fingerprint; the files beside the weights.
#include <algorithm>
#include <filesystem>
#include <functional>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "kernels/common/philox.h"
#include "models/hub/hub_folder.h"

namespace lowland {
namespace fs = std::filesystem;
using nlohmann::json;

void WeightMap::open_index(const std::string& index_path) {
  const json index = json::parse(read_file(index_path), nullptr, false);
  LL_CHECK(index.is_object() && index.contains("weight_map") && index["weight_map"].is_object(),
           "{} is not an index of weights: it has no weight_map", index_path);
  std::map<std::string, std::vector<std::string>> by_file;
  for (const auto& [name, file] : index["weight_map"].items()) {
    LL_CHECK(file.is_string(), "{}: tensor `{}` names no file", index_path, name);
    const std::string shard = file.get<std::string>();
    LL_CHECK(!shard.empty() && fs::path(shard).filename() == shard && shard != "..",
             "{}: tensor `{}` is in `{}`, which is not a file of the same folder", index_path, name, shard);
    by_file[shard].push_back(name);
  }
  for (const auto& [shard, names] : by_file) {
    const fs::path file = fs::path(index_path).parent_path() / shard;
    LL_CHECK(fs::exists(file), "{} names {}, which is not there: was the download cut off?", index_path, shard);
    add_file(file.string());
    for (const std::string& name : names) {
      LL_CHECK(files_.back()->contains(name), "{} says that tensor `{}` is in {}, which does not have it", index_path,
               name, shard);
    }
  }
}

std::string fingerprint(const WeightMap& weights) {
  struct Found {
    const TensorInfo* info;
    const SafetensorsFile* file;
  };
  std::map<std::string, Found> tensors;  // by name: the order of files and shards plays no part
  for (const auto& file : weights.files()) {
    for (const TensorInfo& t : file->tensors()) {
      const std::string name = weights.canonical(t.name);
      const bool buffer = is_ignorable_weight(name) && name.find("lm_head") == std::string::npos;
      if (!buffer) tensors[name] = {&t, file.get()};
    }
  }
  uint64_t h = 0x6c6f776c616e6431ull;  // "lowland1"
  const auto add = [&h](std::string_view bytes) {
    h = mix64(h ^ bytes.size());
    for (size_t i = 0; i < bytes.size(); i += 8) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + i, std::min<size_t>(8, bytes.size() - i));
      h = mix64(h ^ word);
    }
  };
  for (const auto& [name, found] : tensors) {
    add(name);
    add(found.info->dtype + to_string(found.info->shape));
    const std::string_view bytes = found.file->bytes(found.info->name);
    constexpr size_t kSample = 256;
    for (const size_t part : {0, 1, 2}) {  // start, middle, end
      const size_t at = bytes.size() <= kSample ? 0 : (bytes.size() - kSample) / 2 * part;
      add(bytes.substr(at, kSample));
    }
  }
  return fmt::format("{:016x}", h);
}

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
  json index;
  index["metadata"] = {{"total_parameters", parameters}, {"total_size", total}};
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    save_safetensors((base / name).string(), shards[i]);
    for (const NamedTensor& t : shards[i]) index["weight_map"][t.first] = name;
  }
  write_file_atomically((base / "model.safetensors.index.json").string(), index.dump(2) + "\n");
}

std::vector<std::string> copy_companion_files(const std::string& from, const std::string& to) {
  static constexpr const char* kNames[] = {"tokenizer.json",
                                           "tokenizer_config.json",
                                           "tokenizer.model",
                                           "vocab.json",
                                           "merges.txt",
                                           "special_tokens_map.json",
                                           "added_tokens.json",
                                           "chat_template.jinja",
                                           "chat_template.json",
                                           "preprocessor_config.json",
                                           "processor_config.json",
                                           "video_preprocessor_config.json",
                                           "generation_config.json",
                                           "vocab.txt",
                                           "sentencepiece.bpe.model"};
  std::vector<std::string> copied;
  for (const char* name : kNames) {
    std::error_code error;
    if (!fs::is_regular_file(fs::path(from) / name, error)) continue;
    write_file_atomically((fs::path(to) / name).string(), read_file((fs::path(from) / name).string()));
    copied.emplace_back(name);
  }
  return copied;
}

}  // namespace lowland

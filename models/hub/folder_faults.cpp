#include "models/hub/folder_faults.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

using Names = std::vector<std::string>;  // of a folder's entries, sorted

Names names_in(const fs::path& folder) {
  Names names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

template <class Predicate> Names those(const Names& names, const Predicate& fits) {
  Names found;
  std::copy_if(names.begin(), names.end(), std::back_inserter(found), fits);
  return found;
}

bool ends_in(const std::string& name, std::initializer_list<const char*> tails) {
  return std::any_of(tails.begin(), tails.end(), [&](const char* tail) { return name.ends_with(tail); });
}

// model-00001-of-00002.safetensors, pytorch_model-00001-of-00002.bin
bool is_shard(const std::string& name) {
  return (name.starts_with("model-") || name.starts_with("pytorch_model-")) && name.find("-of-") != std::string::npos &&
         ends_in(name, {".safetensors", ".bin"});
}

bool is_weights(const std::string& name) {
  return is_shard(name) || name == kWeightsFile || name == kTorchWeightsFile || name == "adapter_model.safetensors" ||
         name == "adapter_model.bin";
}

// A file that a download left unfinished: beside the others, in the folder that `hf download --local-dir` keeps, or
// among the blobs of the cache.
std::string unfinished_download(const fs::path& folder) {
  const auto unfinished = [](const std::string& name) {
    return ends_in(name, {".incomplete", ".part", ".crdownload", ".aria2", ".partial"});
  };
  std::vector<fs::path> places{folder, folder / ".cache/huggingface/download"};
  if (folder.parent_path().filename() == "snapshots") places.push_back(folder.parent_path().parent_path() / "blobs");
  for (const fs::path& place : places) {
    const Names found = those(names_in(place), unfinished);
    if (!found.empty()) return (place / found[0]).string();
  }
  return "";
}

std::string shards_without_index(const std::string& folder, const Names& names) {
  const Names shards = those(names, is_shard);
  if (shards.empty()) return "";
  const std::string index = std::string(shards[0].ends_with(".bin") ? kTorchWeightsFile : kWeightsFile) + kWeightsIndex;
  return fmt::format("{} has shards of weights ({}{}) but not {}, which says what is in which: download that, too",
                     folder, shards[0], shards.size() > 1 ? ", ..." : "", index);
}

// What is read by another program.
std::string foreign(const std::string& folder, const Names& names) {
  const auto first = [&](const auto& fits) {
    const Names found = those(names, fits);
    return found.empty() ? std::string() : found[0];
  };
  if (const std::string gguf = first([](const auto& n) { return n.ends_with(".gguf"); }); !gguf.empty()) {
    return fmt::format("{} holds weights as GGUF only: name the file itself as --model: {}", folder,
                       (fs::path(folder) / gguf).string());
  }
  const std::string original = first([](const auto& n) { return n.starts_with("consolidated."); });
  if (!original.empty() || first([](const auto& n) { return n == "params.json"; }) != "") {
    return fmt::format(
        "{} holds a model in its makers' own layout ({}), which is not read: the Hub has most of these converted "
        "(meta-llama/Llama-2-7b-hf is meta-llama/Llama-2-7b), and transformers brings convert_llama_weights_to_hf.py",
        folder, original.empty() ? "params.json" : original);
  }
  struct Kind {
    const char *file, *maker, *flag;
  };
  for (const auto& [file, maker, flag] : std::array<Kind, 3>{{{"tf_model.h5", "TensorFlow", "from_tf=True"},
                                                              {"flax_model.msgpack", "Flax", "from_flax=True"},
                                                              {"model.ckpt.index", "TensorFlow", "from_tf=True"}}}) {
    if (first([&, f = file](const auto& n) { return n.starts_with(f) || n == std::string(f) + kWeightsIndex; }) == "")
      continue;
    return fmt::format(
        "{} holds weights of {} only ({}), which are not read: save them as safetensors once, with Python: "
        "AutoModel.from_pretrained(DIR, {}).save_pretrained(NEW_DIR), with transformers 4 and the class named in "
        "config.json's architectures",
        folder, maker, file, flag);
  }
  return "";
}

}  // namespace

std::string broken_link(const std::string& path) {
  std::error_code error;
  if (!fs::is_symlink(fs::symlink_status(path, error)) || fs::exists(path, error)) return "";
  return fmt::format(
      "{} is a link to {}, which is not there: the file was not downloaded, or deleted from the cache; "
      "`hf download` fetches it again",
      path, fs::read_symlink(path, error).string());
}

std::string why_not_there(const std::string& folder, const std::string& missing) {
  const Names names = names_in(folder);
  for (const std::string& name : names) {
    if (!is_weights(name) && name != missing) continue;
    if (std::string why = broken_link((fs::path(folder) / name).string()); !why.empty()) return why;
  }
  const std::string part = unfinished_download(folder);
  if (!part.empty()) {
    return fmt::format("{} has no {}: its download was not finished ({} is left of it); call the same again", folder,
                       missing, part);
  }
  if (missing != "config.json") {
    if (std::string why = shards_without_index(folder, names); !why.empty()) return why;
  }
  if (std::string why = foreign(folder, names); !why.empty()) return why;
  if (std::count(names.begin(), names.end(), "adapter_config.json") > 0 && missing == "config.json")
    return fmt::format("{} holds an adapter, not a model: give it as --adapter, and its base model as --model", folder);
  return "";
}

void check_model_folder(const std::string& folder) {
  const fs::path base(folder);
  for (const std::string& name : names_in(base)) {
    if (!ends_in(name, {".json", ".model", ".txt", ".jinja", ".safetensors"})) continue;
    if (const std::string why = broken_link((base / name).string()); !why.empty()) fail(why);
  }
  const fs::path file = base / "config.json";
  const auto config = nlohmann::json::parse(read_file(file.string(), 64 << 20), nullptr, false);
  if (!config.is_object()) return;  // its reader says so
  bool original = config.contains("mm_vision_tower");
  std::string architecture = "LlavaLlamaForCausalLM";
  if (config.contains("architectures") && config["architectures"].is_array()) {
    for (const auto& a : config["architectures"]) {
      if (!a.is_string()) continue;
      const std::string name = a.get<std::string>();
      const bool theirs = name.starts_with("Llava") && name.ends_with("ForCausalLM");
      if (theirs) architecture = name;
      original = original || theirs;
    }
  }
  LL_CHECK(!original,
           "{} is of the original LLaVA layout ({}, mm_vision_tower), whose vision tower is another folder and whose "
           "weights have other names; the layout of transformers is read: llava-hf/llava-1.5-7b-hf is "
           "liuhaotian/llava-v1.5-7b in it",
           file.string(), architecture);
}

}  // namespace lowland

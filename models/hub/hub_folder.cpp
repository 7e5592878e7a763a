#include "models/hub/hub_folder.h"

#include <algorithm>
#include <filesystem>

#include "engine/error.h"
#include "kernels/common/environment.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

bool is_folder(const fs::path& p) {
  std::error_code error;
  return fs::is_directory(p, error);
}

bool is_file(const fs::path& p) {
  std::error_code error;
  return fs::is_regular_file(p, error);
}

fs::path cache_folder() {
  using namespace environment;
  for (const Variable& hub : {kHfHubCache, kHuggingfaceHubCache})
    if (!hub.value().empty()) return hub.value();
  if (!kHfHome.value().empty()) return fs::path(kHfHome.value()) / "hub";
  const std::string cache = kXdgCacheHome.value();
  return (cache.empty() ? fs::path(kHome.value()) / ".cache" : fs::path(cache)) / "huggingface" / "hub";
}

// ORG/NAME or NAME, of the characters the Hub allows.
bool is_hub_name(const std::string& name) {
  if (name.empty() || name.front() == '.' || name.front() == '/' || name.back() == '/' || name.back() == '.')
    return false;
  if (std::count(name.begin(), name.end(), '/') > 1 || name.find("..") != std::string::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '/';
  });
}

// The snapshot that refs/main names, else the newest one that has a config.json.
fs::path snapshot_of(const fs::path& repository) {
  const fs::path reference = repository / "refs" / "main";
  if (is_file(reference)) {
    std::string commit = read_file(reference.string(), 4096);
    while (!commit.empty() && (commit.back() == '\n' || commit.back() == ' ')) commit.pop_back();
    const fs::path main = repository / "snapshots" / commit;
    if (!commit.empty() && commit.find('/') == std::string::npos && is_file(main / "config.json")) return main;
  }
  fs::path newest;
  std::error_code error;
  for (fs::directory_iterator it(repository / "snapshots", error), end; !error && it != end; it.increment(error)) {
    if (!is_file(it->path() / "config.json")) continue;
    if (newest.empty() || fs::last_write_time(it->path()) > fs::last_write_time(newest)) newest = it->path();
  }
  return newest;
}

}  // namespace

std::string resolve_model_folder(const std::string& model) {
  LL_CHECK(!model.empty(), "--model needs a folder or the name of a model");
  if (is_folder(model)) {
    LL_CHECK(is_file(fs::path(model) / "config.json"), "{} has no config.json: it is not a Hugging Face model folder",
             model);
    return model;
  }
  LL_CHECK(!is_file(model), "{} is a file; --model needs the folder that holds config.json and the weights", model);
  if (!is_hub_name(model)) {
    fail("there is no folder {}; to download a model to it: hf download ORG/NAME --local-dir {}", model, model);
  }
  std::string folder = "models--" + model;
  if (const size_t slash = folder.find('/'); slash != std::string::npos) folder.replace(slash, 1, "--");
  // The Hub moved the oldest names: roberta-large is FacebookAI/roberta-large.
  for (const std::string& name : {folder, "models--FacebookAI--" + model}) {
    const fs::path snapshot = snapshot_of(cache_folder() / name);
    if (!snapshot.empty()) return snapshot.string();
  }
  const std::string name = model.substr(model.find('/') == std::string::npos ? 0 : model.find('/') + 1);
  fail("there is no folder {} and no such model in {}; to download it: hf download {} --local-dir {}", model,
       cache_folder().string(), model, name);
}

namespace {

bool ends_with(const std::string& s, const std::string& tail) {
  return s.size() >= tail.size() && s.compare(s.size() - tail.size(), tail.size(), tail) == 0;
}

bool starts_with(const std::string& s, const std::string& head) { return s.compare(0, head.size(), head) == 0; }

std::string without_old_names(std::string name) {
  for (const auto& [old, now] : {std::pair<std::string, std::string>{"LayerNorm.gamma", "LayerNorm.weight"},
                                 {"LayerNorm.beta", "LayerNorm.bias"}}) {
    if (ends_with(name, old)) name.replace(name.size() - old.size(), old.size(), now);
  }
  return name;
}

// Heads sit beside the encoder, not in it.
bool is_head(const std::string& name) {
  return starts_with(name, "lm_head.") || starts_with(name, "classifier.") || starts_with(name, "score.") ||
         starts_with(name, "cls.");
}

}  // namespace

bool is_ignorable_weight(const std::string& name) {
  return starts_with(name, "lm_head.") || starts_with(name, "cls.") || starts_with(name, "pooler.") ||
         name.find(".pooler.") != std::string::npos || ends_with(name, "position_ids") ||
         ends_with(name, ".rotary_emb.inv_freq");
}

WeightMap::WeightMap(const std::string& folder, const std::string& base_prefix) : folder_(folder) { open(base_prefix); }

WeightMap::WeightMap(const std::string& folder, Rename rename) : folder_(folder), rename_(std::move(rename)) {
  open("");
}

void WeightMap::open(const std::string& base_prefix) {
  const fs::path base(folder_);
  const fs::path index = base / "model.safetensors.index.json";
  if (is_file(base / "model.safetensors")) {
    add_file((base / "model.safetensors").string());
  } else if (is_file(index)) {
    open_index(index.string());
  } else if (is_file(base / "pytorch_model.bin") || is_file(base / "pytorch_model.bin.index.json")) {
    fail(
        "{} holds pytorch_model.bin only: save it as safetensors once, with Python: "
        "AutoModel.from_pretrained(DIR).save_pretrained(NEW_DIR), using the class named in config.json's "
        "architectures",
        folder_);
  } else {
    fail("{} has neither model.safetensors nor model.safetensors.index.json", folder_);
  }
  const auto has_prefix = [&](const TensorInfo& t) { return starts_with(t.name, base_prefix + "."); };
  if (!base_prefix.empty() && std::none_of(files_.begin(), files_.end(), [&](const auto& file) {
        return std::any_of(file->tensors().begin(), file->tensors().end(), has_prefix);
      })) {
    prefix_ = base_prefix + ".";
  }
  for (size_t i = 0; i < files_.size(); ++i) {
    for (const TensorInfo& t : files_[i]->tensors()) {
      const auto [at, fresh] = entries_.insert({canonical(t.name), {i, t.name}});
      LL_CHECK(fresh, "{} has tensor `{}` twice, in {} and in {}", folder_, at->first, files_[at->second.file]->path(),
               files_[i]->path());
    }
  }
}

std::string WeightMap::canonical(const std::string& name_in_file) const {
  const std::string name = without_old_names(name_in_file);
  if (rename_) return rename_(name);
  return prefix_.empty() || is_head(name) ? name : prefix_ + name;
}

void WeightMap::add_file(const std::string& path) { files_.push_back(std::make_shared<SafetensorsFile>(path)); }

std::vector<std::string> WeightMap::names() const {
  std::vector<std::string> names;
  for (const auto& [name, where] : entries_) names.push_back(name);
  return names;
}

const WeightMap::Entry& WeightMap::entry(const std::string& name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) {
    fail("{} has no tensor `{}`, which its config.json asks for (it has {} tensors)", folder_, name, entries_.size());
  }
  return it->second;
}

const TensorInfo& WeightMap::info(const std::string& name) const {
  const Entry& e = entry(name);
  return files_[e.file]->info(e.name);
}

void WeightMap::read_into(const std::string& name, const Tensor& into) {
  const Entry& e = entry(name);
  files_[e.file]->read_into(e.name, into);
  used_.insert(name);
}

Tensor WeightMap::load(Context& context, const std::string& name, DType dtype) {
  const Entry& e = entry(name);
  used_.insert(name);
  return files_[e.file]->load(context, e.name, dtype);
}

Tensor WeightMap::borrow(Context& context, const std::string& name, DType dtype) {
  const Entry& e = entry(name);
  Tensor x = files_[e.file]->borrow(context, e.name, dtype);
  if (x) used_.insert(name);
  return x;
}

std::vector<std::string> WeightMap::unused() const {
  std::vector<std::string> names;
  for (const auto& [name, where] : entries_) {
    if (!used_.count(name)) names.push_back(name);
  }
  return names;
}

std::string WeightMap::unused_message() const {
  std::vector<std::string> names = unused();
  if (names.empty()) return "";
  std::stable_partition(names.begin(), names.end(), [](const std::string& n) { return !is_ignorable_weight(n); });
  const size_t all = names.size(), shown = std::min<size_t>(all, 8);
  names.resize(shown);
  return fmt::format("{} tensor{} of {} {} not used: {}{}", all, all == 1 ? "" : "s", folder_, all == 1 ? "is" : "are",
                     fmt::join(names, ", "), all > shown ? ", ..." : "");
}

}  // namespace lowland

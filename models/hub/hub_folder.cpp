#include "models/hub/hub_folder.h"

#include <algorithm>
#include <filesystem>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "kernels/common/environment.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/folder_faults.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

bool is_folder(const fs::path& p) {
  std::error_code error;
  return fs::is_directory(p, error);
}

// A link counts where it leads nowhere, too: check_model_folder says what is the matter.
bool has_config(const fs::path& folder) {
  std::error_code error;
  return fs::exists(fs::symlink_status(folder / "config.json", error));
}

std::string checked(const fs::path& folder) {
  check_model_folder(folder.string());
  return folder.string();
}

// The GGUF model of a folder without config.json, or the first part of it; empty: there is none.
std::string gguf_in(const fs::path& folder) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool later_part = name.find("-of-") != std::string::npos && name.find("-00001-of-") == std::string::npos;
    if (is_gguf_path(entry.path().string()) && !later_part) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  LL_CHECK(found.size() <= 1, "{} has several GGUF files: name one of them as --model: {}", folder.string(),
           fmt::join(found, ", "));
  return found.empty() ? "" : (folder / found[0]).string();
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
    if (!commit.empty() && commit.find('/') == std::string::npos && has_config(main)) return main;
  }
  fs::path newest;
  std::error_code error;
  for (fs::directory_iterator it(repository / "snapshots", error), end; !error && it != end; it.increment(error)) {
    if (!has_config(it->path())) continue;
    if (newest.empty() || fs::last_write_time(it->path()) > fs::last_write_time(newest)) newest = it->path();
  }
  return newest;
}

// The model that a bitsandbytes copy is of, by its name: unsloth/llama-3-8b of unsloth/llama-3-8b-bnb-4bit; else empty.
std::string plain_name(std::string name) {
  while (!name.empty() && name.back() == '/') name.pop_back();
  for (const char* ending : {"-unsloth-bnb-4bit", "-bnb-4bit", "-bnb-8bit"})
    if (name.ends_with(ending)) return name.substr(0, name.size() - std::string_view(ending).size());
  return "";
}

void refuse_quantised(const std::string& model) {
  const std::string plain = plain_name(model);
  if (plain.empty()) return;
  std::error_code error;
  if (is_file(fs::path(model) / "config.json")) return;  // it is read
  const std::string name = fs::path(plain).filename().string();
  fail(
      "{} is a copy quantised by bitsandbytes, which is not here; an adapter of it fits the plain model {} as well: {}",
      model, name,
      fs::is_directory(plain, error)
          ? "--model " + plain
          : fmt::format("hf download {} --local-dir {}", is_hub_name(plain) ? plain : "ORG/" + name, name));
}

}  // namespace

bool is_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

std::string resolve_model_folder(const std::string& model) {
  LL_CHECK(!model.empty(), "--model needs a folder or the name of a model");
  refuse_quantised(model);
  if (is_folder(model)) {
    if (has_config(model)) return checked(model);
    if (const std::string gguf = gguf_in(model); !gguf.empty()) return gguf;
    if (const std::string why = why_not_there(model, "config.json"); !why.empty()) fail(why);
    fail("{} has no config.json: it is not a Hugging Face model folder", model);
  }
  if (is_gguf_path(model)) return model;
  LL_CHECK(!is_file(model),
           "{} is a file, and no GGUF file; --model needs the folder that holds config.json and the weights", model);
  if (!is_hub_name(model)) {
    fail("there is no folder {}; to download a model to it: hf download ORG/NAME --local-dir {}", model, model);
  }
  std::string folder = "models--" + model;
  if (const size_t slash = folder.find('/'); slash != std::string::npos) folder.replace(slash, 1, "--");
  // The Hub moved the oldest names: roberta-large is FacebookAI/roberta-large.
  for (const std::string& name : {folder, "models--FacebookAI--" + model}) {
    const fs::path snapshot = snapshot_of(cache_folder() / name);
    if (!snapshot.empty()) return checked(snapshot);
  }
  const std::string name = model.substr(model.find('/') == std::string::npos ? 0 : model.find('/') + 1);
  fail("there is no folder {} and no such model in {}; to download it: hf download {} --local-dir {}", model,
       cache_folder().string(), model, name);
}

}  // namespace lowland

#include "apps/train/inputs.h"

#include <algorithm>
#include <filesystem>

#include "apps/common/progress.h"
#include "apps/settings/input_paths.h"
#include "engine/error.h"
#include "engine/io/content_hash.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

bool is_one_of(const std::string& text, std::initializer_list<const char*> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool tells_a_model(const fs::path& file) {
  const std::string name = file.filename().string(), suffix = file.extension().string();
  if (suffix == ".bin") return name.starts_with("pytorch_model") || name.starts_with("adapter_model");
  return is_one_of(suffix, {".json", ".safetensors", ".model", ".txt", ".jinja"});
}

json entry_of(const std::string& role, const std::string& file) {
  return {{"role", role},
          {"path", fs::absolute(file).lexically_normal().string()},
          {"bytes", fs::file_size(file)},
          {"xxh3", lowland::content_hash(file)}};
}

// Of many files: their names and contents, in order.
json sum_of(const InputGroup& group) {
  std::string text;
  uint64_t bytes = 0;
  for (const std::string& file : group.files) {
    text += fmt::format("{} {}\n", fs::path(file).filename().string(), lowland::content_hash(file));
    bytes += fs::file_size(file);
  }
  return {{"role", group.role},
          {"path", fmt::format("{} files", group.files.size())},
          {"bytes", bytes},
          {"xxh3", lowland::content_hash_of(text)}};
}

std::string role_of(const json& entry) { return entry.value("role", ""); }

// What two runs call the same file: a folder may have moved.
std::string key_of(const json& entry) {
  return fmt::format("{} {}", role_of(entry), fs::path(entry.value("path", "")).filename().string());
}

std::string described(const json& entry) {
  return fmt::format("{} ({} bytes, {})", entry.value("path", ""), entry.value("bytes", uint64_t{0}),
                     entry.value("xxh3", "").substr(0, 8));
}

std::string file_difference(const json& then, const json& now) {
  for (size_t i = 0; i < std::max(then.size(), now.size()); ++i) {
    if (i >= now.size()) return fmt::format("{} {} is gone", role_of(then[i]), described(then[i]));
    if (i >= then.size()) return fmt::format("{} {} was not there", role_of(now[i]), described(now[i]));
    const bool summed = !fs::path(now[i].value("path", "")).is_absolute();
    if (!summed && key_of(then[i]) != key_of(now[i]))
      return fmt::format("{} {} stands where {} {} was", role_of(now[i]), described(now[i]), role_of(then[i]),
                         described(then[i]));
    if (then[i].value("bytes", uint64_t{0}) != now[i].value("bytes", uint64_t{0}) ||
        then[i].value("xxh3", "") != now[i].value("xxh3", ""))
      return fmt::format("{} is now {} and was {}", role_of(now[i]), described(now[i]), described(then[i]));
  }
  return "";
}

}  // namespace

std::vector<std::string> files_of_model(const std::string& folder) {
  if (!fs::is_directory(folder)) return {folder};
  std::vector<std::string> files;
  bool safe = false;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_regular_file() || !tells_a_model(entry.path())) continue;
    safe |= entry.path().extension() == ".safetensors";
    files.push_back(entry.path().string());
  }
  if (safe) std::erase_if(files, [](const std::string& file) { return file.ends_with(".bin"); });
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> tables_below(const std::string& folder) {
  if (!fs::is_directory(folder)) return {folder};
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink))
    if (entry.is_regular_file() &&
        is_one_of(entry.path().extension().string(), {".json", ".jsonl", ".csv", ".tsv", ".txt"}))
      files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

InputHashes::InputHashes(std::vector<InputGroup> groups, std::vector<std::string> labels) : labels_(std::move(labels)) {
  made_ = std::async(std::launch::async, [this, groups = std::move(groups)] {
    const auto start = std::chrono::steady_clock::now();
    json files = json::array();
    for (const InputGroup& group : groups) {
      if (group.summed && !group.files.empty()) files.push_back(sum_of(group));
      if (!group.summed)
        for (const std::string& file : group.files) files.push_back(entry_of(group.role, file));
    }
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return files;
  });
}

json InputHashes::finish(bool verbose) {
  json files = made_.get();
  size_t bytes = 0;
  for (const json& entry : files) bytes += entry.at("bytes").get<size_t>();
  if (verbose || seconds_ >= 1)
    say(fmt::format("inputs: {} files, {}, hashed in {:.1f} s", files.size(), bytes_text(bytes), seconds_));
  return {{"files", std::move(files)}, {"labels", labels_}};
}

std::string input_difference(const json& then, const json& now) {
  if (!then.is_object() || !then.contains("files") || !then.at("files").is_array()) return "";
  const std::string different = file_difference(then.at("files"), now.at("files"));
  if (!different.empty()) return different;
  const json before = then.value("labels", json::array()), labels = now.at("labels");
  return before == labels ? "" : fmt::format("the labels are now {} and were {}", labels.dump(), before.dump());
}

std::string setting_difference(const json& then, const json& now, const char* words) {
  if (!then.is_object()) return "";
  for (const auto& [name, value] : then.items()) {
    if (names_input(name) || !now.contains(name) || now.at(name) == value) continue;
    if (is_one_of(name, {"out", "resume", "overwrite", "device", "threads", "no-graphs", "base-model-name"})) continue;
    return fmt::format(fmt::runtime(words), name, now.at(name).dump(), value.dump());
  }
  return "";
}

}  // namespace lowland::apps

#include "apps/train/checksums.h"

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/content_hash.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

constexpr const char* kName = "checksums.json";

std::string text_of(const nlohmann::json& files) {
  const nlohmann::json whole{{"files", files}, {"xxh3", lowland::content_hash_of(files.dump())}};
  return whole.dump(2) + "\n";
}

// The entries of the file, null if a byte of it is not as it was written.
nlohmann::json read_entries(const std::string& file) {
  const std::string text = read_file(file);
  const nlohmann::json whole = nlohmann::json::parse(text, nullptr, false);
  if (!whole.is_object() || !whole.contains("files") || !whole["files"].is_object()) return nullptr;
  return text_of(whole["files"]) == text ? whole["files"] : nlohmann::json();
}

}  // namespace

void write_checksums(const fs::path& folder) {
  nlohmann::json files = nlohmann::json::object();
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[entry.path().lexically_relative(folder).string()] = {{"bytes", entry.file_size()},
                                                               {"xxh3", lowland::content_hash(entry.path().string())}};
  }
  write_file_atomically((folder / kName).string(), text_of(files));
}

std::string checksum_fault(const fs::path& folder) {
  try {
    if (!fs::exists(folder / kName)) return fmt::format("{} is missing", kName);
    const nlohmann::json files = read_entries((folder / kName).string());
    if (files.is_null()) return fmt::format("{} is damaged", kName);
    for (const auto& [name, entry] : files.items()) {
      const fs::path file = folder / name;
      if (!fs::exists(file)) return fmt::format("{} is missing", name);
      if (fs::file_size(file) != entry.at("bytes") || lowland::content_hash(file.string()) != entry.at("xxh3"))
        return fmt::format("{} is damaged", name);
    }
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

}  // namespace lowland::apps

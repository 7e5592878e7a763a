#include "models/gguf/gguf_model.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/printable.h"
#include "models/gguf/config_json.h"
#include "models/gguf/tokenizer_texts.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostParts = 99'999;

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// Tensors that are a part of the configuration, or of older files.
bool is_buffer(const std::string& name) {
  return name == "rope_freqs.weight" || name.starts_with("rope_factors_") || name.ends_with(".attn_rot_embd.weight");
}

void translate(GgufFile& file, const GgufMetadata& keys, bool with_buffers) {
  const GgufArchitecture& arch = architecture_of(keys);
  const std::string head = std::string(arch.name) + ".attention.head_count";
  const int64_t heads = arch.paired ? keys.whole(head, 0) : 0;
  const int64_t kv_heads = arch.paired && keys.has(head + "_kv") ? keys.whole(head + "_kv", 0) : heads;
  file.translate([&](TensorInfo& t) {
    if (is_buffer(t.name)) {
      if (!with_buffers) t.name.clear();
      return;
    }
    const std::string name = arch.hub_name(t.name);
    LL_CHECK(!name.empty(), "{}: tensor `{}` has no place in a {}", file.path(), printable(t.name), arch.name);
    const bool q = name.find(".q_proj.") != std::string::npos, k = name.find(".k_proj.") != std::string::npos;
    if (arch.paired && (q || k)) {
      t.paired_heads = q ? heads : kv_heads;
      LL_CHECK(t.paired_heads > 0 && t.paired_heads <= t.shape[0] && t.shape[0] % (2 * t.paired_heads) == 0,
               "{}: `{}` has {} rows, {} has {} heads", file.path(), printable(t.name), t.shape[0],
               q ? head : head + "_kv", t.paired_heads);
    }
    if (name.find("norm.") != std::string::npos) t.added = arch.norms_plus;
    t.name = name;
  });
}

// MODEL-00002-of-00003.gguf with another number; empty where the name is not of that form.
std::string part_name(const std::string& path, int64_t part, int64_t parts) {
  const std::string tail = fmt::format("-of-{:05}.gguf", parts);
  if (!path.ends_with(tail) || path.size() < tail.size() + 6) return "";
  return path.substr(0, path.size() - tail.size() - 5) + fmt::format("{:05}", part) + tail;
}

std::vector<std::shared_ptr<GgufFile>> open_parts(const std::string& path) {
  std::vector<std::shared_ptr<GgufFile>> files{std::make_shared<GgufFile>(path)};
  const int64_t parts = files[0]->keys().whole("split.count", 1);
  if (parts == 1) return files;
  LL_CHECK(parts > 1 && parts <= kMostParts && !part_name(path, 1, parts).empty(),
           "{} is a part of a model in {}, and not named as one: NAME-00001-of-{:05}.gguf", path, parts, parts);
  files.clear();
  for (int64_t i = 1; i <= parts; ++i) {
    const std::string name = part_name(path, i, parts);
    LL_CHECK(is_file(name), "{} is a part of a model in {}, of which {} is not there: was the download cut off?", path,
             parts, name);
    files.push_back(std::make_shared<GgufFile>(name));
    const GgufMetadata& keys = files.back()->keys();
    LL_CHECK(keys.whole("split.count", 1) == parts && keys.whole("split.no", -1) == i - 1,
             "{} says that it is part {} of {}: its name says otherwise", name, keys.whole("split.no", -1) + 1,
             keys.whole("split.count", 1));
  }
  return files;
}

// The GGUF file that the folder of a path is.
std::string gguf_of(const fs::path& path) {
  const std::string parent = path.parent_path().string();
  return is_gguf_path(parent) ? parent : "";
}

// The text of a file of that folder.
std::string text_in(const std::string& gguf, const std::string& name) {
  if (name == "config.json") return gguf_config_json(open_gguf_model(gguf, true));
  return tokenizer_text(open_parts(gguf)[0]->keys(), name);
}

}  // namespace

bool is_gguf_path(const std::string& path) { return path.ends_with(".gguf") && is_file(path); }

std::vector<std::shared_ptr<const GgufFile>> open_gguf_model(const std::string& path, bool with_buffers) {
  const auto files = open_parts(path);
  for (const auto& file : files) translate(*file, files[0]->keys(), with_buffers);
  return {files.begin(), files.end()};
}

bool model_file_exists(const fs::path& path) {
  const std::string gguf = gguf_of(path);
  if (gguf.empty()) return fs::exists(path);
  const std::string name = path.filename().string();
  return name == "config.json" || has_tokenizer_text(GgufFile(gguf).keys(), name);
}

bool is_in_gguf(const fs::path& path) { return !gguf_of(path).empty(); }

std::string read_model_file(const fs::path& path, size_t limit) {
  const std::string gguf = gguf_of(path);
  return gguf.empty() ? read_file(path.string(), limit) : text_in(gguf, path.filename().string());
}

}  // namespace lowland

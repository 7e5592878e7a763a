#include "models/hub/base_model.h"

#include <cstring>
#include <filesystem>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "kernels/common/philox.h"
#include "models/hub/json_keys.h"
#include "models/hub/peft_adapter.h"

namespace lowland {
namespace fs = std::filesystem;

void Fingerprint::add(const std::string& name, const std::string& dtype, const Shape& shape, std::string_view bytes) {
  std::vector<std::string>& parts = tensors_[name];
  parts = {name, dtype + to_string(shape)};
  constexpr size_t kSample = 256;
  for (const size_t part : {0, 1, 2}) {  // start, middle, end
    const size_t at = bytes.size() <= kSample ? 0 : (bytes.size() - kSample) / 2 * part;
    parts.emplace_back(bytes.substr(at, kSample));
  }
}

std::string Fingerprint::text() const {
  uint64_t h = 0x6c6f776c616e6431ull;  // "lowland1"
  for (const auto& [name, parts] : tensors_)
    for (const std::string& bytes : parts) {
      h = mix64(h ^ bytes.size());
      for (size_t i = 0; i < bytes.size(); i += 8) {
        uint64_t word = 0;
        std::memcpy(&word, bytes.data() + i, std::min<size_t>(8, bytes.size() - i));
        h = mix64(h ^ word);
      }
    }
  return fmt::format("{:016x}", h);
}

std::string fingerprint(const WeightMap& weights) {
  Fingerprint print;
  for (const auto& file : weights.files()) {
    for (const TensorInfo& t : file->tensors()) {
      const std::string name = weights.canonical(t.name);
      const bool buffer = is_ignorable_weight(name) && name.find("lm_head") == std::string::npos;
      if (buffer) continue;
      const TensorBytes bytes = file->bytes(t.name);
      print.add(name, t.dtype, t.shape, bytes);
    }
  }
  return print.text();
}

std::string base_model_name(const std::string& name, const std::string& folder) {
  if (!name.empty()) return name;
  const fs::path path = fs::absolute(folder).lexically_normal();
  if (const std::string config = (path / "config.json").string(); fs::exists(config)) {
    const std::string own = JsonKeys(read_file(config, 64 << 20), config).text("_name_or_path", "");
    if (!own.empty()) return own;
  }
  const fs::path absolute = path.has_filename() ? path : path.parent_path();
  const std::string repository = absolute.parent_path().parent_path().filename().string();
  const std::string head = "models--";
  if (absolute.parent_path().filename() == "snapshots" && repository.starts_with(head)) {
    const std::string model = repository.substr(head.size());
    const size_t at = model.find("--");
    return at == std::string::npos ? model : fmt::format("{}/{}", model.substr(0, at), model.substr(at + 2));
  }
  return absolute.string();
}

BaseModel base_of(const WeightMap& weights, const std::string& name) {
  return {
      .folder = weights.folder(), .name = base_model_name(name, weights.folder()), .fingerprint = fingerprint(weights)};
}

void check_base(const LoadedAdapter& adapter, const BaseModel& base) {
  if (!adapter.card || adapter.card->base_fingerprint.empty()) return;
  LL_CHECK(adapter.card->base_fingerprint == base.fingerprint,
           "the adapter {} was trained on another base than {} (fingerprint {}, not {})", adapter.folder, base.folder,
           adapter.card->base_fingerprint, base.fingerprint);
}

}  // namespace lowland

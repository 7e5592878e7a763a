#include "apps/data/feature_cache.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/error.h"
#include "engine/io/content_hash.h"
#include "engine/io/safetensors_head.h"

namespace lowland::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "2";
constexpr const char* kSum = "xxh3 ";  // before a picture's hash: the hash of its features

std::vector<std::string> shards_in(const std::string& folder) {
  std::vector<std::string> files;
  for (const fs::directory_entry& e : fs::directory_iterator(folder)) {
    const std::string name = e.path().filename().string();
    if (name.starts_with("features-") && name.ends_with(".safetensors")) files.push_back(e.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string shard_name(std::string_view head) { return fmt::format("features-{}.safetensors", content_hash_of(head)); }

// REQUIRES a safetensors file.
std::string head_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), sizeof length);
  std::string head(sizeof length + length, '\0');
  in.seekg(0);
  in.read(head.data(), std::ssize(head));
  return in ? head : "";
}

std::map<std::string, std::string> metadata_of(const FeatureKey& key) {
  return {{"format", "pt"},
          {"features_format", kFormat},
          {"processor", key.processor},
          {"tower", key.tower},
          {"shape", to_string(Shape{key.rows, key.width})},
          {"dtype", std::string(file_dtype_of(key.dtype))}};
}

}  // namespace

int64_t cached_pictures(const std::string& folder) {
  if (!fs::is_directory(folder)) return 0;
  int64_t n = 0;
  for (const std::string& file : shards_in(folder)) n += static_cast<int64_t>(SafetensorsFile(file).tensors().size());
  return n;
}

std::string tensors_hash(const std::vector<NamedTensor>& tensors) {
  std::string text;
  for (const auto& [name, tensor] : tensors) {
    const std::vector<float> values = tensor.to(DType::f32).to_vector<float>();
    const std::string_view bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    text += fmt::format("{} {} {}\n", name, to_string(tensor.shape()), content_hash_of(bytes));
  }
  return content_hash_of(text);
}

FeatureCache::FeatureCache(std::string folder, FeatureKey key) : folder_(std::move(folder)), key_(std::move(key)) {
  LL_CHECK(key_.rows > 0 && key_.width > 0, "features of a picture have rows and columns, got {} x {}", key_.rows,
           key_.width);
  std::error_code failed;
  fs::create_directories(folder_, failed);
  LL_CHECK(fs::is_directory(folder_), "{} is not a folder for features, and cannot be made one", folder_);
  for (const std::string& file : shards_in(folder_)) open_shard(file);
}

// A shard is named by the hash of its header, which holds those of the features: no bit of it changes unseen.
void FeatureCache::open_shard(const std::string& path) {
  auto file = std::make_unique<SafetensorsFile>(path);
  for (const auto& [name, ours] : metadata_of(key_)) {
    const auto at = file->metadata().find(name);
    const std::string theirs = at == file->metadata().end() ? "unknown" : at->second;
    LL_CHECK(theirs == ours,
             "the features in {} were made with another {} ({}; now {}): give --cache-features another "
             "folder, or remove this one",
             folder_, name, theirs, ours);
  }
  LL_CHECK(path.ends_with(shard_name(head_of(path))), "{} is damaged: remove it, its features are made again", path);
  for (const TensorInfo& t : file->tensors()) {
    LL_CHECK(t.shape == (Shape{key_.rows, key_.width}), "{}: features {} are {}, not {}", path, t.name,
             to_string(t.shape), to_string(Shape{key_.rows, key_.width}));
    places_[t.name] = file.get();
  }
  shards_.push_back(std::move(file));
}

const std::string& FeatureCache::hash_of(const std::string& file) {
  const auto at = hashes_.find(file);
  return at != hashes_.end() ? at->second : hashes_.emplace(file, content_hash(file)).first->second;
}

bool FeatureCache::contains(const std::string& hash) const { return places_.contains(hash) || pending_.contains(hash); }

void FeatureCache::read_into(const std::string& hash, const Tensor& into) const {
  const auto at = pending_.find(hash);
  if (at != pending_.end()) {
    into.copy_from(at->second);
  } else {
    const SafetensorsFile& file = *places_.at(hash);
    const auto sum = file.metadata().find(kSum + hash);
    const TensorBytes bytes = file.bytes(hash);
    LL_CHECK(sum != file.metadata().end() && sum->second == content_hash_of(bytes),
             "{} is damaged: remove it, its features are made again", file.path());
    file.read_into(hash, into);
  }
}

Tensor FeatureCache::get(Context& context, std::span<const std::string> hashes,
                         const std::function<Tensor(std::span<const size_t>)>& compute) {
  std::vector<size_t> missing;
  for (size_t i = 0; i < hashes.size(); ++i) {
    const auto same = [&](size_t other) { return hashes[other] == hashes[i]; };
    if (!contains(hashes[i]) && std::none_of(missing.begin(), missing.end(), same)) missing.push_back(i);
  }
  if (!missing.empty()) {
    const Tensor made = compute(missing);
    const Shape expected{static_cast<int64_t>(missing.size()) * key_.rows, key_.width};
    LL_CHECK(made.shape() == expected && made.dtype() == key_.dtype, "features of {} pictures must be {} {} | {}",
             missing.size(), to_string(expected), file_dtype_of(key_.dtype), describe(made));
    for (size_t m = 0; m < missing.size(); ++m) {
      const auto row = static_cast<int64_t>(m) * key_.rows;
      const Tensor one = made.slice_rows(row, row + key_.rows).clone();
      pending_.emplace(hashes[missing[m]], one);
      pending_bytes_ += one.nbytes();
    }
    computed_ += static_cast<int64_t>(missing.size());
  }
  const auto n = static_cast<int64_t>(hashes.size());
  const Tensor out = Tensor::empty(context, {n * key_.rows, key_.width}, key_.dtype);
  for (int64_t i = 0; i < n; ++i)
    read_into(hashes[static_cast<size_t>(i)], out.slice_rows(i * key_.rows, (i + 1) * key_.rows));
  if (pending_bytes_ >= kShardBytes) flush();
  return out;
}

void FeatureCache::flush() {
  if (pending_.empty()) return;
  std::vector<TensorInfo> plan;
  std::map<std::string, std::string> metadata = metadata_of(key_);
  for (const auto& [hash, tensor] : pending_) {
    const HostBytes bytes(tensor);
    metadata[kSum + hash] = content_hash_of({static_cast<const char*>(bytes.data()), tensor.nbytes()});
    plan.push_back({hash, std::string(file_dtype_of(key_.dtype)), tensor.shape()});
  }
  const std::string path = (fs::path(folder_) / shard_name(safetensors_head(folder_, plan, metadata))).string();
  SafetensorsWriter writer(path, plan, metadata);
  for (const TensorInfo& t : writer.plan()) writer.append(t.name, pending_.at(t.name));
  writer.finish();
  pending_.clear();
  pending_bytes_ = 0;
  open_shard(path);
}

}  // namespace lowland::apps

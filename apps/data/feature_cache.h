// FeatureCache: what a frozen vision tower makes of pictures, kept in a folder from run to run. A picture is known by
// its file's content, so that renaming, copying and other question files change nothing.
//
// Folder: features-HASH.safetensors, each with up to 64 MB of pictures, a tensor (rows, width) each, named by the
// content's hash; the key is in every file's metadata, and the hashes of the features, so that damage is told by file.
// Files are written whole or not at all: a run that dies loses the features since the last file only, and two runs may
// share a folder.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/safetensors_writer.h"

namespace lowland::apps {

// Everything besides the picture that its features depend on.
struct FeatureKey {
  std::string processor;        // ImageSettings::describe()
  std::string tower;            // tensors_hash() of its weights, and which layer is read
  int64_t rows = 0, width = 0;  // of a picture's features
  DType dtype = DType::f32;
};

// How many pictures have their features in the folder, whatever they were made with; 0 where there is no folder.
int64_t cached_pictures(const std::string& folder);
// Of names, shapes and all values.
std::string tensors_hash(const std::vector<NamedTensor>& tensors);

class FeatureCache {
 public:
  // Features of so many bytes wait in memory at most, and those of a batch more.
  static constexpr size_t kShardBytes = size_t{64} << 20;

  // Makes the folder if need be. Error, in one sentence with the first difference: features made with another key.
  FeatureCache(std::string folder, FeatureKey key);
  FeatureCache(const FeatureCache&) = delete;
  FeatureCache& operator=(const FeatureCache&) = delete;

  // content_hash of the file, read once for each path.
  const std::string& hash_of(const std::string& file);
  bool contains(const std::string& hash) const;
  // Features of pictures, one after the other: (I rows, width), equal to the bit to what was computed once.
  // compute: from the places of pictures that are not there, each content once, to their features
  // (M rows, width) in the key's dtype.
  Tensor get(Context& context, std::span<const std::string> hashes,
             const std::function<Tensor(std::span<const size_t>)>& compute);
  // Writes what is not on disk yet: call it at the end, and before anything that a crash would be worse in.
  void flush();

  int64_t pictures() const { return static_cast<int64_t>(places_.size() + pending_.size()); }
  int64_t computed() const { return computed_; }  // by this object

 private:
  void open_shard(const std::string& path);
  void read_into(const std::string& hash, const Tensor& into) const;

  std::string folder_;
  FeatureKey key_;
  std::vector<std::unique_ptr<SafetensorsFile>> shards_;
  std::map<std::string, const SafetensorsFile*> places_;  // hash -> its file
  std::map<std::string, Tensor> pending_;
  std::map<std::string, std::string> hashes_;  // path -> hash
  size_t pending_bytes_ = 0;
  int64_t computed_ = 0;
};

}  // namespace lowland::apps

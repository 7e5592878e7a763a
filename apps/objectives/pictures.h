// Pictures: the image files of a run, each once, by number; and what of them a forward pass takes: pixels, or what a
// frozen vision tower makes of them, kept in --cache-features if there is such a folder. For a model on the meta device
// pixels and features are as large as of real pictures, and no file is read.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/data/feature_cache.h"
#include "models/images/image_processor.h"
#include "models/vlm/vlm.h"

namespace lowland::apps {

class Pictures {
 public:
  Pictures(const ImageSettings& settings, int threads) : processor_(settings), threads_(threads) {}
  // Features are to be kept in the folder; "" for nowhere. open_cache begins with it, once there is a filled model.
  void cache_in(std::string folder) { cache_folder_ = std::move(folder); }
  // Error: features that were made otherwise are there.
  void open_cache(const Vlm& model);
  // Whether a cache holds as many pictures as there are; bytes that wait in memory for it otherwise.
  bool all_cached() const;
  size_t waiting_bytes(const Vlm& model) const;

  int64_t size() const { return static_cast<int64_t>(files_.size()); }
  std::vector<std::string> paths() const;

  // The number of a file. `where` (file:line of the question that names it first) is told if it cannot be read.
  int32_t add(const std::string& file, const std::string& where);
  // Changes the values (3, H, H) of the i-th of `which`; on several threads.
  using Change = std::function<void(size_t i, float* values)>;
  // (I, 3, H, H) f32, decoded now. Throws Error that names the question.
  Tensor pixels(Context& context, const std::vector<int32_t>& which, const Change& change = {}) const;
  // (I T, CV): the features of one picture after the other, out of the cache or computed. REQUIRES a frozen tower.
  Tensor features(const Vlm& model, const std::vector<int32_t>& which) const;
  // Writes features that are not on disk yet.
  void flush() const;

 private:
  struct File {
    std::string path, where;
  };
  ImageProcessor processor_;
  int threads_;
  std::vector<File> files_;
  std::map<std::string, int32_t> numbers_;
  std::string cache_folder_;
  std::unique_ptr<FeatureCache> cache_;
};

}  // namespace lowland::apps

// Pictures: the image files of a run, each once, by number; and what of them a forward pass takes: pixels, or what a
// frozen vision tower makes of them, kept in --cache-features if there is such a folder.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/common/feature_cache.h"
#include "models/images/image_processor.h"
#include "models/vlm/vlm.h"

namespace lowland::apps {

class Pictures {
 public:
  Pictures(const ImageSettings& settings, int threads) : processor_(settings), threads_(threads) {}
  // Keeps features of the model's frozen tower in the folder from now on. Error: features made otherwise are there.
  void cache_features(const std::string& folder, const Vlm& model);

  // Of a step that is only planned (memory_plan.h): pixels and features as large as of real pictures, and no file is
  // read. `cached`: features come out of a cache.
  static Pictures blank(const Pictures& like, bool cached);
  int64_t size() const { return static_cast<int64_t>(files_.size()); }

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
  std::unique_ptr<FeatureCache> cache_;
  bool blank_ = false, blank_cache_ = false;
};

}  // namespace lowland::apps

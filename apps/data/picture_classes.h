// Pictures by class: a folder with one directory per class, ROOT/CLASS/*.jpg, or one of these per split,
// ROOT/train/CLASS, ROOT/dev or val or valid or validation, ROOT/test.
// Classes are sorted by bytes, files of a class by name; .jpg, .jpeg, .png, .webp, .gif, .tif, .tiff and .bmp in any
// case are pictures, other files are passed over. Without a dev folder a share of train is
// held out: seeded, stratified by class.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lowland {

struct LabelledPicture {
  std::string file;
  int label = 0;
};

struct PictureClasses {
  std::vector<std::string> classes;
  std::vector<LabelledPicture> train, dev, test;
  int64_t skipped = 0;      // damaged pictures left out
  std::string skip_reason;  // "1 picture cannot be read (first: ...)"
};

struct PictureClassOptions {
  bool train = true, dev = true, test = false;  // what to load; asking for what is not there is an error
  std::vector<std::string> classes = {};        // of a trained model: ids follow these; empty: those of train
  double dev_fraction = 0.1;
  uint64_t seed = 42;
  int64_t max_train_samples = 0, max_eval_samples = 0;  // so many, evenly over the classes; 0: all
  bool skip_bad_images = false;                         // reads every picture
  int threads = 1;
};

// Error, naming the folder: none there, no class or only one, a class without a picture, a class that train has not.
PictureClasses load_picture_classes(const std::string& root, const PictureClassOptions& options);

}  // namespace lowland

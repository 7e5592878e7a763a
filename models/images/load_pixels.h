// Many pictures at once, each on a thread of its own.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "models/images/image_processor.h"

namespace lowland {

// fn(i) for each i below n on `threads` threads. The Error of the smallest failing i is thrown when all are done.
void for_each_picture(size_t n, int threads, const std::function<void(size_t)>& fn);

// Reads and processes: (files, 3, height, width).
std::vector<float> load_pixels(const ImageProcessor& processor, std::span<const std::string> files, int threads);

}  // namespace lowland

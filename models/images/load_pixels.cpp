#include "models/images/load_pixels.h"

#include <exception>

#include "models/images/decode.h"

namespace lowland {

void for_each_picture(size_t n, int threads, const std::function<void(size_t)>& fn) {
  std::vector<std::exception_ptr> errors(n);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (size_t i = 0; i < n; ++i) {
    try {
      fn(i);
    } catch (...) {
      errors[i] = std::current_exception();
    }
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

std::vector<float> load_pixels(const ImageProcessor& processor, std::span<const std::string> files, int threads) {
  const size_t each = 3 * processor.height() * processor.width();
  std::vector<float> values(files.size() * each);
  for_each_picture(files.size(), threads,
                   [&](size_t i) { processor.process(read_image(files[i]), files[i], values.data() + i * each); });
  return values;
}

}  // namespace lowland

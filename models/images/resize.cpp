#include "models/images/resize.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/error.h"
#include "kernels/resample.h"

namespace lowland {
namespace {

double bilinear(double t) {
  t = std::abs(t);
  return t < 1.0 ? 1.0 - t : 0.0;
}

double bicubic(double t) {
  constexpr double a = -0.5;
  t = std::abs(t);
  if (t < 1.0) return ((a + 2.0) * t - (a + 3.0)) * t * t + 1;
  if (t < 2.0) return (((t - 5) * t + 8) * t - 4) * a;
  return 0.0;
}

// The weights of one axis, for outputs [begin, begin + some) of `out`.
struct Weights {
  std::vector<int32_t> first, count, weight;
  int64_t taps = 0;

  Weights(int64_t in, int64_t out, Resample filter, int64_t begin, int64_t some) {
    const double scale = static_cast<double>(in) / static_cast<double>(out), stretch = std::max(scale, 1.0);
    const double support = (filter == Resample::bicubic ? 2.0 : 1.0) * stretch;
    taps = std::min(static_cast<int64_t>(std::ceil(support)) * 2 + 1, in);
    weight.assign(some * taps, 0);
    std::vector<double> row(taps);
    for (int64_t o = 0; o < some; ++o) {
      const double centre = (static_cast<double>(begin + o) + 0.5) * scale;
      const int64_t from = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
      const int64_t n = std::min(static_cast<int64_t>(centre + support + 0.5), in) - from;
      double sum = 0;
      for (int64_t k = 0; k < n; ++k) {
        const double t = (static_cast<double>(k + from) - centre + 0.5) * (1.0 / stretch);
        row[k] = filter == Resample::bicubic ? bicubic(t) : bilinear(t);
        sum += row[k];
      }
      for (int64_t k = 0; k < n; ++k) {
        const double w = row[k] / (sum == 0.0 ? 1.0 : sum) * (1 << kResampleBits);
        weight[o * taps + k] = static_cast<int32_t>(w < 0 ? w - 0.5 : w + 0.5);
      }
      first.push_back(static_cast<int32_t>(from));
      count.push_back(static_cast<int32_t>(n));
    }
  }

  // The rows of input that outputs need: [rows.first, rows.second).
  std::pair<int64_t, int64_t> used() const {
    int64_t begin = first.front(), end = 0;
    for (size_t o = 0; o < first.size(); ++o) end = std::max<int64_t>(end, first[o] + count[o]);
    return {begin, end};
  }
  ResampleTable table() const {
    return {static_cast<int64_t>(first.size()), taps, first.data(), count.data(), weight.data()};
  }
};

Image cropped(const Image& image, const Window& w) {
  Image out{w.width, w.height, std::vector<uint8_t>(w.width * w.height * 3)};
  for (int64_t y = 0; y < w.height; ++y)
    std::copy_n(image.rgb.data() + ((w.top + y) * image.width + w.left) * 3, w.width * 3,
                out.rgb.data() + y * w.width * 3);
  return out;
}

bool newer_cpu() {
  static const bool newer = detect_cpu_backend() == Backend::cpu_v4;
  return newer;
}

// Rows [begin, end) of `image`, scaled to `width` pixels of which [left, left + some) are kept.
Image across(const Image& image, int64_t width, Resample filter, int64_t left, int64_t some, int64_t begin,
             int64_t end) {
  if (width == image.width) return cropped(image, {left, begin, some, end - begin});
  const Weights weights(image.width, width, filter, left, some);
  std::vector<uint8_t> scratch(resample_scratch(image.width));
  Image out{some, end - begin, std::vector<uint8_t>(some * (end - begin) * 3)};
  const auto run = newer_cpu() ? cpu_v4::resample_width : cpu_v3::resample_width;
  run(out.rgb.data(), image.rgb.data() + begin * image.width * 3, weights.table(), end - begin, image.width,
      scratch.data());
  return out;
}

// All columns of `image`, whose first row is row `begin` of what the weights are about.
Image down(const Image& image, Weights& weights, int64_t begin) {
  for (int32_t& f : weights.first) f -= static_cast<int32_t>(begin);
  const ResampleTable table = weights.table();
  Image out{image.width, table.out, std::vector<uint8_t>(image.width * table.out * 3)};
  const auto run = newer_cpu() ? cpu_v4::resample_height : cpu_v3::resample_height;
  run(out.rgb.data(), image.rgb.data(), table, image.width * 3);
  return out;
}

}  // namespace

Image resize(const Image& image, int64_t width, int64_t height, Resample filter, const Window& window) {
  LL_CHECK(width > 0 && height > 0 && window.width > 0 && window.height > 0 && window.left >= 0 && window.top >= 0 &&
               window.left + window.width <= width && window.top + window.height <= height,
           "resize: the window must lie in the scaled picture, {} x {}", width, height);
  const auto rows_of = [&](const Image& from, int64_t begin, int64_t end) {
    return across(from, width, filter, window.left, window.width, begin, end);
  };
  if (height == image.height) return rows_of(image, window.top, window.top + window.height);
  Weights weights(image.height, height, filter, window.top, window.height);
  const int64_t fewer_rows = image.height - height, fewer_columns = image.width - width;
  if (fewer_rows > 0 && fewer_rows > 2 * fewer_columns) {
    const Image scaled = down(image, weights, 0);
    return rows_of(scaled, 0, scaled.height);
  }
  const auto [begin, end] = weights.used();
  return down(rows_of(image, begin, end), weights, begin);
}

}  // namespace lowland

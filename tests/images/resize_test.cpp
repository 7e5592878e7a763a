#include "models/images/resize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "kernels/common/difference.h"
#include "models/images/decode.h"
#include "tests/data/temp_folder.h"
#include "tests/images/picture_golden.h"

using namespace lowland;
using namespace lowland::test;

namespace {

using Sizes = std::array<int64_t, 4>;  // width and height, before and after

Image noise(int64_t width, int64_t height, unsigned seed) {
  Image image{width, height, std::vector<uint8_t>(width * height * 3)};
  std::mt19937 random(seed);
  for (uint8_t& v : image.rgb) v = static_cast<uint8_t>(random());
  return image;
}

double cubic(double t) {
  t = std::abs(t);
  if (t < 1) return 1.5 * t * t * t - 2.5 * t * t + 1;
  if (t < 2) return -0.5 * t * t * t + 2.5 * t * t - 4 * t + 2;
  return 0;
}

// One axis in double precision: every output is a weighted mean over every input. values: (outer, in, inner).
std::vector<double> scaled(const std::vector<double>& values, int64_t outer, int64_t in, int64_t inner, int64_t out) {
  std::vector<double> y(outer * out * inner, 0.0);
  const double scale = static_cast<double>(in) / static_cast<double>(out), stretch = std::max(scale, 1.0);
  for (int64_t o = 0; o < out; ++o) {
    std::vector<double> w(in);
    double sum = 0;
    for (int64_t i = 0; i < in; ++i)
      sum += w[i] = cubic((static_cast<double>(i) + 0.5 - (static_cast<double>(o) + 0.5) * scale) / stretch);
    for (int64_t a = 0; a < outer; ++a)
      for (int64_t i = 0; i < in; ++i)
        for (int64_t b = 0; b < inner; ++b)
          y[(a * out + o) * inner + b] += w[i] / sum * values[(a * in + i) * inner + b];
  }
  return y;
}

}  // namespace

TEST_CASE("resize: bit for bit Pillow's") {
  const nlohmann::json golden = picture_golden();
  for (const nlohmann::json& expected : golden["resized"]) {
    const Resample filter = expected["filter"] == "bicubic" ? Resample::bicubic : Resample::bilinear;
    const int64_t width = expected["width"], height = expected["height"];
    INFO(expected["file"] << " to " << width << " x " << height);
    check_same(resize(read_image(picture_path(expected["file"])), width, height, filter), expected);
  }
}

TEST_CASE("resize: within rounding of sums in double precision") {
  for (const Sizes& sizes :
       std::vector<Sizes>{{1, 1, 31, 33}, {31, 33, 1, 1}, {257, 65, 33, 31}, {33, 40, 257, 41}, {640, 480, 448, 336}}) {
    const auto [w, h, to_w, to_h] = sizes;
    INFO(sizes[0] << " x " << sizes[1] << " to " << sizes[2] << " x " << sizes[3]);
    const Image image = noise(w, h, 7);
    const Image out = resize(image, to_w, to_h, Resample::bicubic);
    const std::vector<double> x(image.rgb.begin(), image.rgb.end());
    std::vector<double> rows = scaled(x, h, w, 3, to_w);
    for (double& v : rows) v = std::clamp(v, 0.0, 255.0);
    std::vector<double> y = scaled(rows, 1, h, to_w * 3, to_h);
    for (double& v : y) v = std::clamp(v, 0.0, 255.0);
    CHECK(difference(out.rgb, y).absolute <=
          1.2);  // half a unit of each of two roundings, the first times the sum of |weights|, below 1.3
  }
}

TEST_CASE("resize: a window is that part of the whole") {
  for (const Sizes& sizes :
       std::vector<Sizes>{{50, 37, 33, 29}, {17, 64, 60, 21}, {40, 40, 40, 13}, {40, 40, 13, 40}, {9, 9, 9, 9}}) {
    const auto [w, h, to_w, to_h] = sizes;
    const Image image = noise(w, h, 3);
    for (const Resample filter : {Resample::bicubic, Resample::bilinear}) {
      const Image whole = resize(image, to_w, to_h, filter);
      const Window window{to_w / 4, to_h / 3, to_w / 2, to_h / 2};
      const Image part = resize(image, to_w, to_h, filter, window);
      REQUIRE(part.width == window.width);
      REQUIRE(part.height == window.height);
      bool same = true;
      for (int64_t y = 0; y < part.height; ++y)
        same = same && std::equal(part.rgb.begin() + y * part.width * 3, part.rgb.begin() + (y + 1) * part.width * 3,
                                  whole.rgb.begin() + ((y + window.top) * whole.width + window.left) * 3);
      CHECK(same);
    }
  }
  CHECK(contains(error_of([] { resize(noise(4, 4, 1), 3, 3, Resample::bicubic, {1, 1, 3, 2}); }), "window"));
}

TEST_CASE("resize: the part that is kept of an extreme strip needs no memory for the rest") {
  const Image strip = noise(100000, 1, 5);  // at 336 in height: 33,600,000 pixels wide
  const Image out = resize(strip, 33600000, 336, Resample::bicubic, {16799832, 0, 336, 336});
  CHECK(out.width == 336);
  CHECK(out.height == 336);
}

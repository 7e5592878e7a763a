#include "kernels/rope.h"

#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {
namespace {

Values rotated(Values x, const Ids& position, const std::vector<float>& f, const RopeShape& shape, double direction,
               bool rounded) {
  const int64_t HD = shape.HD, half = (shape.turned > 0 ? shape.turned : HD) / 2;
  for (int64_t n = 0; n < shape.N; ++n) {
    const float* fn = f.data() + (shape.table != nullptr ? shape.table[n] * half : 0);
    for (int64_t h = 0; h < shape.heads; ++h)
      for (int64_t i = 0; i < half; ++i) {
        double a = double(position[n]) * double(fn[i]);
        if (rounded) a = double(float(position[n]) * fn[i]);
        double& u = x[n * shape.stride + h * HD + i];
        double& v = x[n * shape.stride + h * HD + i + half];
        const double cosine = shape.factor * std::cos(a), sine = shape.factor * direction * std::sin(a), before = u;
        u = before * cosine - v * sine;
        v = v * cosine + before * sine;
      }
  }
  return x;
}

}  // namespace

Values rope_forward(const Values& x, const Ids& position, const std::vector<float>& f, const RopeShape& shape,
                    bool rounded) {
  return rotated(x, position, f, shape, 1, rounded);
}

Values rope_backward(const Values& dx, const Ids& position, const std::vector<float>& f, const RopeShape& shape,
                     bool rounded) {
  return rotated(dx, position, f, shape, -1, rounded);
}

}  // namespace lowland::reference

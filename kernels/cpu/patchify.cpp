#include "kernels/patchify.h"

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {

template <class T> void patchify_forward(Ctx& ctx, T* y, const T* x, const PatchifyShape& shape) {
  const int64_t D = shape.D, H = shape.H, W = shape.W, P = shape.P;
  const int64_t down = H / P, across = W / P;
  const auto copy = [=](int64_t row) {
    const int64_t s = row / (down * across), i = row / across % down, j = row % across;
    T* to = y + row * D * P * P;
    for (int64_t d = 0; d < D; ++d)
      for (int64_t u = 0; u < P; ++u, to += P) {
        const T* from = x + ((s * D + d) * H + i * P + u) * W + j * P;
        for (int64_t v = 0; v < P; ++v) to[v] = from[v];
      }
  };
  parallel_for(ctx, shape.S * down * across, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) copy(row);
  });
}

LL_INSTANTIATE(patchify_forward);

}  // namespace lowland::LL_CPU

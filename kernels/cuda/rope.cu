#include "kernels/rope.h"

#include "kernels/cuda/rope_block.h"
#include "kernels/cuda/rows.cuh"

namespace lowland::cuda {
namespace {

template <int W, class T> __global__ void __launch_bounds__(kRopeThreads, 3) rope_kernel(RopeRows<T> a) {
  DeviceBlock<kRopeThreads> b;
  rope_rows<W>(b, shared_numbers<acc_t<T>>(), a);
}

template <int W, class T> void launch(Ctx& ctx, RopeRows<T> a) {
  a.rows = rope_rows_per_block<T, W>(a.shape);
  LL_CUDA_LAUNCH(ctx, blocks_for(a.shape.N, a.rows), kRopeThreads, rope_shared_bytes<T>(a.shape, a.rows),
                 rope_kernel<W>, a);
}

template <class T>
void rotate(Ctx& ctx, T* x, const int32_t* position, const float* f, const RopeShape& s, int direction) {
  if (s.heads == 0 || s.HD == 0) return;
  const RopeRows<T> args{x, position, f, s, 0, static_cast<acc_t<T>>(direction)};
  if (all_vectorise(rope_width(s) / 2, x) && all_vectorise(s.HD, x) && s.stride % kVector<T> == 0) {
    launch<kVector<T>>(ctx, args);
  } else {
    launch<1>(ctx, args);
  }
}

}  // namespace

template <class T> void rope_forward(Ctx& ctx, T* x, const int32_t* position, const float* f, const RopeShape& shape) {
  rotate(ctx, x, position, f, shape, 1);
}

template <class T>
void rope_backward(Ctx& ctx, T* dx, const int32_t* position, const float* f, const RopeShape& shape) {
  rotate(ctx, dx, position, f, shape, -1);
}

LL_INSTANTIATE(rope_forward);
LL_INSTANTIATE(rope_backward);

}  // namespace lowland::cuda

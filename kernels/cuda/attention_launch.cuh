// What the launchers of attention share: the kernel for a head size, and how its shared memory is asked for.
#pragma once
#include <string>
#include <type_traits>

#include "kernels/cuda/attention_work.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {

// One per element type, in attention_forward.cu, attention_forward_bf16.cu.
void launch_attention_forward(Ctx& ctx, const ForwardArgs<float>& args);
void launch_attention_forward(Ctx& ctx, const ForwardArgs<double>& args);
void launch_attention_forward(Ctx& ctx, const ForwardArgs<bf16>& args);

inline void check_head_size(const AttentionShape& shape) {
  if (shape.HD < 1 || shape.HD > kMaxHeadDim)
    fail("[attention] a head must have 1 to " + std::to_string(kMaxHeadDim) + " columns on a GPU, got " +
         std::to_string(shape.HD));
}

// f(integral_constant<int, W>): W is the head size, rounded up to a compiled width.
template <class F> void with_head_width(int64_t HD, const F& f) {
  if (HD <= 32) return f(std::integral_constant<int, 32>());
  if (HD <= 64) return f(std::integral_constant<int, 64>());
  if (HD <= 96) return f(std::integral_constant<int, 96>());
  f(std::integral_constant<int, 128>());
}
// The same with 80, a multiple of 16 that tensor cores can take as it is.
template <class F> void with_mma_width(int64_t HD, const F& f) {
  if (HD > 64 && HD <= 80) return f(std::integral_constant<int, 80>());
  with_head_width(HD, f);
}

inline unsigned grid_of(int64_t blocks) {
  if (blocks > 0x7fffffff) fail("[attention] too many segments, heads and tiles for one launch");
  return static_cast<unsigned>(blocks);
}

template <class T> bool rows_vectorise(const RowView<T>& rows) {
  return rows.data == nullptr || vectorises(rows.data, rows.stride);
}
template <class T> bool rows_vectorise(const AttentionInputs<T>& in, int64_t HD) {
  return HD % Vec<T>::kCount == 0 && rows_vectorise(in.q) && rows_vectorise(in.k) && rows_vectorise(in.v);
}

}  // namespace lowland::cuda

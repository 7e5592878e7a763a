// What the launchers of attention share: the kernel for a head size, and how its shared memory is asked for.
#pragma once
#include <type_traits>

#include "kernels/cuda/attention_work.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {

// One per element type, in attention_forward.cu, attention_forward_bf16.cu.
void launch_attention_forward(Ctx& ctx, const ForwardArgs<float>& args);
void launch_attention_forward(Ctx& ctx, const ForwardArgs<double>& args);
void launch_attention_forward(Ctx& ctx, const ForwardArgs<bf16>& args);

// f(integral_constant<int, W>): W is the head size, rounded up to a compiled width; in double, which is for checks, to
// one of two.
template <class T, class F> void with_head_width(int64_t HD, const F& f) {
  if constexpr (sizeof(T) < 8) {
    if (HD <= 32) return f(std::integral_constant<int, 32>());
    if (HD > 64 && HD <= 96) return f(std::integral_constant<int, 96>());
  }
  if (HD <= 64) return f(std::integral_constant<int, 64>());
  f(std::integral_constant<int, 128>());
}
// f(integral_constant<int, W>, bool_constant<drops>) for tensor cores: with 80, a multiple of 16 that they take as it
// is. Models with heads between 64 and 128 have no dropout there, so with it these take the width of 128.
template <class F> void with_mma_width(int64_t HD, bool drops, const F& f) {
  const auto with = [&](auto width) { drops ? f(width, std::true_type()) : f(width, std::false_type()); };
  if (HD <= 32) return with(std::integral_constant<int, 32>());
  if (HD <= 64) return with(std::integral_constant<int, 64>());
  if (!drops && HD <= 80) return f(std::integral_constant<int, 80>(), std::false_type());
  if (!drops && HD <= 96) return f(std::integral_constant<int, 96>(), std::false_type());
  with(std::integral_constant<int, 128>());
}

template <class T> bool rows_vectorise(const RowView<T>& rows) {
  return rows.data == nullptr || vectorises(rows.data, rows.stride);
}
template <class T> bool rows_vectorise(const AttentionInputs<T>& in, int64_t HD) {
  return HD % Vec<T>::kCount == 0 && rows_vectorise(in.q) && rows_vectorise(in.k) && rows_vectorise(in.v);
}

}  // namespace lowland::cuda

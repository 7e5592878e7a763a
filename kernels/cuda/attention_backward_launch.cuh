// The two passes of attention_backward_work.h, launched for each element type.
#pragma once
#include "kernels/cuda/attention_cudnn.h"
#include "kernels/cuda/attention_launch.cuh"

namespace lowland::cuda {

void launch_attention_backward(Ctx& ctx, const BackwardArgs<float>& args, bool for_keys);
void launch_attention_backward(Ctx& ctx, const BackwardArgs<double>& args, bool for_keys);
void launch_attention_backward(Ctx& ctx, const BackwardArgs<bf16>& args, bool for_keys);

// Blocks of a pass whose blocks own `own` rows; args.tiles is set.
template <class T> int64_t backward_grid(BackwardArgs<T>& args, bool for_keys, int own) {
  const AttentionShape& shape = args.shape;
  args.tiles = for_keys ? tiles_of(shape.max_k, shape.NK, own) : tiles_of(shape.max_q, shape.NQ, own);
  return (shape.S + 1) * (for_keys ? shape.NKV : shape.NH) * args.tiles;
}

}  // namespace lowland::cuda

// attention by cuDNN's fused graph instead of our own kernels, where the environment says LL_ATTENTION=cudnn (the
// default is LL_ATTENTION=lowland): composite SDPA forward and backward with padding mask, ragged offsets and the
// deterministic algorithm. For bf16, heads that are multiples of 8 up to 128, no dropout, sm_90 and later. cuDNN is
// looked for when it is first wanted (libcudnn.so.9 in the loader's path); its C++ headers, cudnn-frontend, when this
// is built. Whatever is missing or declined, our own kernels do instead, and stderr says so once for each reason.
//
// Plans are kept per (segments, longest segment rounded up to 64, heads, strides, causal, scale): a step whose shapes
// come from buckets builds each once. Building takes part of a second and must not happen while a graph is captured.
#pragma once
#include "kernels/cuda/attention_backward_work.h"

namespace lowland::cuda {

// True if cuDNN did it; false if our own kernels must.
bool cudnn_attention_forward(Ctx& ctx, const ForwardArgs<bf16>& args);
bool cudnn_attention_backward(Ctx& ctx, const BackwardArgs<bf16>& args, const RowView<const bf16>& o);

// The engine that ran bf16 attention last, in this process: "cudnn", "lowland", or "none" before the first.
const char* attention_engine();
void set_attention_engine(const char* name);

// What cuDNN needs besides pointers to numbers, computed on the device (attention_cudnn_rows.cu).
struct RaggedOffsets {
  int32_t* out;       // (S+1): cu * stride
  const int32_t* cu;  // (S+1)
  int64_t stride;
};
struct RaggedLists {
  static constexpr int kMost = 9;
  RaggedOffsets offsets[kMost];
  int count = 0;
  int32_t *q_length, *k_length;  // (S)
};
void fill_ragged_lists(Ctx& ctx, const RaggedLists& lists, const AttentionShape& shape);
// Zeros in the rows after the last segment and in segments without partners: queries without keys (cu = cu_q), or keys
// that no query sees (cu = cu_k, other = cu_q). lse may be null.
void zero_unpaired_rows(Ctx& ctx, const RowView<bf16>& rows, float* lse, const int32_t* cu, const int32_t* other,
                        int64_t S, int64_t N, int64_t heads, int64_t HD);

}  // namespace lowland::cuda

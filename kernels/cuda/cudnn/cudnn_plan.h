// A fused attention graph of cuDNN, built once and run often. This is all that knows cudnn-frontend: where its headers
// were not found when Lowland was built (LL_CUDNN is not defined), every plan is refused.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace lowland::cuda {

enum CudnnOperand : int { kQ, kK, kV, kO, kLse, kDO, kDQ, kDK, kDV, kOffsets };
inline constexpr int kQLength = 2 * kOffsets, kKLength = kQLength + 1, kCudnnPointers = kKLength + 1;

// By CudnnOperand; kOffsets + operand is the operand's list of offsets (S+1) i32; kQLength, kKLength: (S) i32.
struct CudnnPointers {
  void* data[kCudnnPointers] = {};
  void*& operator[](int i) { return data[i]; }
};

enum class CudnnMask : uint8_t { none, top_left, bottom_right };

// What a plan is built for: two equal ones share it.
struct CudnnAttentionShape {
  int64_t S = 0, NH = 0, NKV = 0, HD = 0, max_q = 0, max_k = 0;
  int64_t stride[kOffsets] = {};  // elements between rows, by operand
  float scale = 1;
  CudnnMask mask = CudnnMask::none;
  bool backward = false;
};

// Plans that want more are declined: the deterministic backward's workspace grows with segments x heads x longest^2.
inline constexpr size_t kMostCudnnWorkspace = size_t{4} << 30;

class CudnnAttentionPlan;

// Null, and why, if cuDNN is not there, too old, or has no kernel for this shape. A refusal is remembered as well.
CudnnAttentionPlan* cudnn_attention_plan(const CudnnAttentionShape& shape, std::string& why);
size_t cudnn_workspace(const CudnnAttentionPlan& plan);
bool cudnn_run(CudnnAttentionPlan& plan, const CudnnPointers& pointers, void* workspace, void* stream,
               std::string& why);

}  // namespace lowland::cuda

// Handles: what kernels/cuda keeps for one device between launches; Ctx::handles points to it. Not for several threads.
//
// Plans of cuBLASLt are chosen by a rule, never by timing: the first result of its heuristic for the shape, the types,
// the pointers' alignment and a fixed workspace. So two runs on one kind of GPU with one version of the library take
// the same algorithms, and the heuristic is asked once per shape.
#pragma once
#include <cublasLt.h>

#include <compare>
#include <cstdint>
#include <map>

#include "kernels/common/ctx.h"
#include "kernels/matmul.h"

namespace lowland::cuda {

// What a plan depends on.
struct MatmulKey {
  int64_t M = 0, N = 0, K = 0, lda = 0, ldb = 0, ldc = 0;
  int trans_a = 0, trans_b = 0;
  int in = 0, out = 0;                        // cudaDataType_t
  int compute = 0;                            // cublasComputeType_t
  int align_a = 0, align_b = 0, align_c = 0;  // bytes, at most 16
  int bias = 0, accumulates = 0;
  auto operator<=>(const MatmulKey&) const = default;
};

// Owns its descriptors.
struct MatmulPlan {
  MatmulPlan() = default;
  ~MatmulPlan();
  MatmulPlan(const MatmulPlan&) = delete;
  MatmulPlan& operator=(const MatmulPlan&) = delete;
  cublasLtMatmulDesc_t op = nullptr;
  cublasLtMatrixLayout_t first = nullptr, second = nullptr, result = nullptr;
  cublasLtMatmulAlgo_t algo{};
  cublasStatus_t found = CUBLAS_STATUS_SUCCESS;  // else: cuBLAS has no algorithm for it
};

struct Handles {
  // What to give as workspace: cuBLAS's own advice for Hopper.
  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;

  // For the current device. The workspace, aligned to 256 bytes, stays the caller's.
  Handles(void* workspace, size_t workspace_bytes);
  ~Handles();
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  cublasLtHandle_t blas = nullptr;
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
  bool tf32 = false;  // f32 products on tensor cores, 10 bits of mantissa
  std::map<MatmulKey, MatmulPlan> plans;
};

inline Handles& handles_of(const Ctx& ctx) { return *static_cast<Handles*>(ctx.handles); }

// "[cublas] cublasLtMatmul(...) failed: CUBLAS_STATUS_NOT_SUPPORTED (kernels/cuda/matmul.cu:12)"
[[noreturn]] void fail_cublas(cublasStatus_t status, const char* call, const char* file, int line);

}  // namespace lowland::cuda

#define LL_CUBLAS(call)                                                                                         \
  do {                                                                                                          \
    const cublasStatus_t ll_status = (call);                                                                    \
    if (ll_status != CUBLAS_STATUS_SUCCESS) ::lowland::cuda::fail_cublas(ll_status, #call, __FILE__, __LINE__); \
  } while (0)

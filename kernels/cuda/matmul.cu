#include "kernels/matmul.h"

#include <algorithm>
#include <string>
#include <type_traits>

#include "kernels/common/error.h"
#include "kernels/cuda/handles.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/matmul_view.h"
#include "kernels/linear.h"

namespace lowland::cuda {
namespace {

constexpr size_t kMostPlans = 4096;  // beyond that, shapes do not repeat: start again

template <class T> constexpr cudaDataType_t type_of() {
  return std::is_same_v<T, bf16> ? CUDA_R_16BF : std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_64F;
}

template <class T> cublasComputeType_t compute_of(const Handles& h) {
  if (std::is_same_v<T, double>) return CUBLAS_COMPUTE_64F;
  return std::is_same_v<T, float> && h.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

int alignment_of(const void* p) {
  const auto bits = reinterpret_cast<uintptr_t>(p) | 16;
  return static_cast<int>(bits & (~bits + 1));
}

std::string text_of(const MatmulKey& k) {
  const std::string M = std::to_string(k.M), N = std::to_string(k.N), K = std::to_string(k.K);
  std::string text = M;
  text.append(" x ").append(K).append(" times ").append(K).append(" x ").append(N);
  return text;
}

cublasLtMatrixLayout_t layout_of(cudaDataType_t type, const BlasMatrix& m) {
  cublasLtMatrixLayout_t layout = nullptr;
  LL_CUBLAS(cublasLtMatrixLayoutCreate(&layout, type, m.rows, m.columns, m.ld));
  return layout;
}

template <class V> void set(cublasLtMatmulDesc_t op, cublasLtMatmulDescAttributes_t which, const V& value) {
  LL_CUBLAS(cublasLtMatmulDescSetAttribute(op, which, &value, sizeof value));
}

struct Preference {
  Preference() { LL_CUBLAS(cublasLtMatmulPreferenceCreate(&handle)); }
  ~Preference() { cublasLtMatmulPreferenceDestroy(handle); }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;
  template <class V> void set(cublasLtMatmulPreferenceAttributes_t which, const V& value) {
    LL_CUBLAS(cublasLtMatmulPreferenceSetAttribute(handle, which, &value, sizeof value));
  }
  cublasLtMatmulPreference_t handle = nullptr;
};

void choose_algorithm(Handles& h, MatmulPlan& plan, const MatmulKey& k) {
  Preference preference;
  preference.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, h.workspace_bytes);
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<uint32_t>(k.align_b));
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<uint32_t>(k.align_a));
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<uint32_t>(k.align_c));
  preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<uint32_t>(k.align_c));
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(h.blas, plan.op, plan.first, plan.second, plan.result,
                                                               plan.result, preference.handle, 1, &found, &count);
  plan.found = status != CUBLAS_STATUS_SUCCESS ? status : count == 0 ? CUBLAS_STATUS_NOT_SUPPORTED : found.state;
  plan.algo = found.algo;
}

MatmulPlan& plan_for(Handles& h, const MatmulKey& k, const MatmulShape& shape, cudaDataType_t scale) {
  const auto known = h.plans.find(k);
  if (known != h.plans.end()) return known->second;
  if (h.plans.size() >= kMostPlans) h.plans.clear();
  MatmulPlan& plan = h.plans[k];
  try {
    const BlasView v = blas_view(shape);
    LL_CUBLAS(cublasLtMatmulDescCreate(&plan.op, static_cast<cublasComputeType_t>(k.compute), scale));
    set(plan.op, CUBLASLT_MATMUL_DESC_TRANSA, v.transpose_first ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(plan.op, CUBLASLT_MATMUL_DESC_TRANSB, v.transpose_second ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (k.bias != 0) set(plan.op, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    const auto in = static_cast<cudaDataType_t>(k.in), out = static_cast<cudaDataType_t>(k.out);
    plan.first = layout_of(in, v.first);
    plan.second = layout_of(in, v.second);
    plan.result = layout_of(out, v.result);
    choose_algorithm(h, plan, k);
  } catch (...) {
    h.plans.erase(k);
    throw;
  }
  return plan;
}

template <class C> __global__ void scale_matrix_kernel(C* c, int64_t M, int64_t N, int64_t ld, acc_t<C> beta) {
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < M * N; i += int64_t{gridDim.x} * blockDim.x) {
    C& x = c[i / N * ld + i % N];
    x = static_cast<C>(beta == acc_t<C>(0) ? acc_t<C>(0) : beta * static_cast<acc_t<C>>(x));
  }
}

// C = alpha op(A) op(B) + beta C, plus bias (N) where it is not null. False, and nothing done, if there is a bias with
// which cuBLAS cannot do it.
template <class T, class C>
bool product(Ctx& ctx, C* c, const T* a, const T* b, const C* bias, const MatmulShape& s, acc_t<T> alpha,
             acc_t<T> beta) {
  if (s.M == 0 || s.N == 0) return true;
  if (s.K == 0) {
    LL_CUDA_LAUNCH(ctx, std::min<int64_t>(blocks_for(s.M * s.N, 256), 1024), 256, 0, scale_matrix_kernel<C>, c, s.M,
                   s.N, s.ldc, beta);
    return true;
  }
  Handles& h = handles_of(ctx);
  MatmulKey k{s.M, s.N, s.K, s.lda, s.ldb, s.ldc, s.trans_a == Trans::yes, s.trans_b == Trans::yes};
  k.in = type_of<T>();
  k.out = type_of<C>();
  k.compute = compute_of<T>(h);
  k.align_a = alignment_of(a);
  k.align_b = alignment_of(b);
  k.align_c = alignment_of(c);
  k.bias = bias != nullptr;
  k.accumulates = beta != acc_t<T>(0);
  MatmulPlan& plan = plan_for(h, k, s, type_of<acc_t<T>>());
  if (plan.found != CUBLAS_STATUS_SUCCESS) {
    if (bias != nullptr) return false;
    fail("[matmul] cuBLAS has no algorithm for " + text_of(k) + ": " + cublasLtGetStatusString(plan.found));
  }
  if (bias != nullptr) set(plan.op, CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(bias));
  LL_CUBLAS(cublasLtMatmul(h.blas, plan.op, &alpha, b, plan.first, a, plan.second, &beta, c, plan.result, c,
                           plan.result, &plan.algo, h.workspace, h.workspace_bytes, stream_of(ctx)));
  check_launch(ctx, "cublasLtMatmul", __FILE__, __LINE__);
  return true;
}

}  // namespace

template <class T>
void matmul(Ctx& ctx, T* C, const T* A, const T* B, const MatmulShape& shape, acc_t<T> alpha, acc_t<T> beta) {
  product<T, T>(ctx, C, A, B, nullptr, shape, alpha, beta);
}

template <class T>
void matmul_acc(Ctx& ctx, acc_t<T>* C, const T* A, const T* B, const MatmulShape& shape, acc_t<T> alpha,
                acc_t<T> beta) {
  product<T, acc_t<T>>(ctx, C, A, B, nullptr, shape, alpha, beta);
}

template <class T>
void linear_forward(Ctx& ctx, T* y, const T* x, const T* w, const T* b, int64_t N, int64_t M, int64_t O,
                    acc_t<T> beta) {
  const MatmulShape shape{.trans_b = Trans::yes, .M = N, .N = O, .K = M, .lda = M, .ldb = M, .ldc = O};
  const bool fuses = b != nullptr && M > 0 && !std::is_same_v<T, double> && alignment_of(b) == 16;
  if (fuses && product<T, T>(ctx, y, x, w, b, shape, acc_t<T>(1), beta)) return;
  product<T, T>(ctx, y, x, w, nullptr, shape, acc_t<T>(1), beta);
  if (b != nullptr) bias_forward(ctx, y, b, N, O);
}

LL_INSTANTIATE(matmul);
LL_INSTANTIATE(matmul_acc);
LL_INSTANTIATE(linear_forward);

}  // namespace lowland::cuda

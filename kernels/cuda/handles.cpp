#include "kernels/cuda/handles.h"

#include <string>

#include "kernels/common/error.h"

namespace lowland::cuda {

void fail_cublas(cublasStatus_t status, const char* call, const char* file, int line) {
  fail("[cublas] " + std::string(call) + " failed: " + cublasLtGetStatusString(status) + " (" + file + ":" +
       std::to_string(line) + ")");
}

MatmulPlan::~MatmulPlan() {
  if (result != nullptr) cublasLtMatrixLayoutDestroy(result);
  if (second != nullptr) cublasLtMatrixLayoutDestroy(second);
  if (first != nullptr) cublasLtMatrixLayoutDestroy(first);
  if (op != nullptr) cublasLtMatmulDescDestroy(op);
}

Handles::Handles(void* memory, size_t bytes) : workspace(memory), workspace_bytes(bytes) {
  LL_CUBLAS(cublasLtCreate(&blas));
}

Handles::~Handles() {
  plans.clear();
  cublasLtDestroy(blas);
}

}  // namespace lowland::cuda

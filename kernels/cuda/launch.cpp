#include "kernels/cuda/launch.cuh"

#include <string>

#include "kernels/common/environment.h"
#include "kernels/common/error.h"

namespace lowland::cuda {
namespace {

bool synchronous() {
  static const bool on = environment::kSync.on();  // not once a launch
  return on;
}

// Errors that a kernel makes while it runs: whatever is called next is told of them.
bool of_a_kernel(cudaError_t status) {
  for (const cudaError_t e : {cudaErrorIllegalAddress, cudaErrorLaunchFailure, cudaErrorMisalignedAddress,
                              cudaErrorIllegalInstruction, cudaErrorLaunchTimeout, cudaErrorAssert})
    if (status == e) return true;
  return false;
}

}  // namespace

void fail_cuda(cudaError_t status, const char* statement, const char* file, int line) {
  int device = -1;
  cudaGetDevice(&device);
  const bool earlier = of_a_kernel(status) && !synchronous();
  fail("[cuda] " + std::string(statement) + " failed on device " + std::to_string(device) + ": " +
       cudaGetErrorString(status) + " (" + file + ":" + std::to_string(line) + ")" +
       (earlier ? "; a kernel before it failed: LL_SYNC=1 in the environment names it" : ""));
}

void check_launch(const Ctx& ctx, const char* kernel, const char* file, int line) {
  cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess && synchronous()) status = cudaStreamSynchronize(stream_of(ctx));
  if (status != cudaSuccess) fail_cuda(status, kernel, file, line);
}

int shared_limit() {
  int device = 0, bytes = 0;
  LL_CUDA(cudaGetDevice(&device));
  LL_CUDA(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  return bytes;
}

void allow_shared_bytes(const void* kernel, int bytes) {
  if (bytes > 48 * 1024) LL_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
}

}  // namespace lowland::cuda
